#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/netlink.h>

/* From linux/nsfs.h, whose own includes musl's sys/ioctl.h does not bear. */
enum { GET_NSTYPE = _IO(0xb7, 0x3) };

/* The file system is asked first: an ioctl number may mean anything to some other kind of file. */
static bool is_netns(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC &&
	       ioctl(fd, GET_NSTYPE) == CLONE_NEWNET;
}

int netns_open(const char *path, int *ret_fd, char *why)
{
	/* O_NONBLOCK: a fifo in this place must not hold us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int error;

	if (fd < 0) {
		error = errno;
		snprintf(why, NETNS_WHY_SIZE, "cannot open '%.255s': %s", path, strerror(error));
		return -error;
	}
	if (!is_netns(fd)) {
		close(fd);
		snprintf(why, NETNS_WHY_SIZE, "'%.255s' is not a network namespace", path);
		return -EINVAL;
	}
	*ret_fd = fd;
	return 0;
}

bool netns_is_own(const char *path)
{
	struct stat there, here;

	return stat(path, &there) == 0 && stat("/proc/self/ns/net", &here) == 0 &&
	       there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

int netns_route_socket(int netns_fd, int *ret_fd, char *why)
{
	int fd, error;

	if (setns(netns_fd, CLONE_NEWNET) < 0) {
		error = errno;
		snprintf(why, NETNS_WHY_SIZE, "cannot enter the network namespace: %s",
			 strerror(error));
		return -error;
	}
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0) {
		error = errno;
		snprintf(why, NETNS_WHY_SIZE,
			 "cannot open a route socket in the network namespace: %s",
			 strerror(error));
		return -error;
	}
	*ret_fd = fd;
	return 0;
}
