#include "io/cni_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io_fixture.h"

static void put(const char *dir, const char *name, const char *text)
{
	char path[400];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	REQUIRE(file != NULL);
	REQUIRE(fputs(text, file) >= 0);
	REQUIRE(fclose(file) == 0);
}

static void holds(const char *path, const char *text, unsigned mode)
{
	char got[100] = "";
	struct stat stat;
	FILE *file = fopen(path, "re");

	REQUIRE(file != NULL);
	REQUIRE(fread(got, 1, sizeof(got) - 1, file) > 0);
	fclose(file);
	CHECK_STR(got, text);
	REQUIRE(lstat(path, &stat) == 0);
	CHECK_UINT(stat.st_mode & 07777, mode);
}

static size_t files_in(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	REQUIRE(dir != NULL);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

static void program_is_copied_once(void)
{
	char *dir = fixture_directory(), from[300], bin[300], weft[400];
	struct err err = { 0 };

	umask(077); /* as weftd's */
	snprintf(from, sizeof(from), "%s/shim", dir);
	snprintf(bin, sizeof(bin), "%s/opt/cni/bin", dir);
	snprintf(weft, sizeof(weft), "%s/weft", bin);
	put(dir, "shim", "first");
	CHECK_INT(cni_host_install(from, bin, &err), 1);
	holds(weft, "first", 0755);
	CHECK_INT(cni_host_install(from, bin, &err), 0);
	put(dir, "shim", "other");
	CHECK_INT(cni_host_install(from, bin, &err), 1);
	holds(weft, "other", 0755);
	REQUIRE(chmod(weft, 0600) == 0);
	CHECK_INT(cni_host_install(from, bin, &err), 1);
	holds(weft, "other", 0755);
	CHECK_UINT(files_in(bin), 1);
	CHECK(cni_host_has_plugin(bin, "weft"));
	CHECK(!cni_host_has_plugin(bin, "portmap"));
	snprintf(from, sizeof(from), "%s/absent", dir);
	CHECK_INT(cni_host_install(from, bin, &err), -ENOENT);
	CHECK(strstr(err.text, "absent") != NULL);
	holds(weft, "other", 0755);
	fixture_remove(dir);
}

static void configuration_is_put_there(void)
{
	char *dir = fixture_directory(), path[400], other[CNI_NAME_MAX + 1];
	struct bytes text = { (const uint8_t *)"{}", 2 };
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/10-weft.conflist", dir);
	CHECK_INT(cni_host_configure(dir, "10-weft.conflist", text, &err), 1);
	holds(path, "{}", 0644);
	CHECK_INT(cni_host_configure(dir, "10-weft.conflist", text, &err), 0);
	CHECK(!cni_host_outsorted(dir, "10-weft.conflist", other));
	put(dir, "99-loopback.conf", "{}");
	put(dir, "05-notes.txt", "hello");
	CHECK(!cni_host_outsorted(dir, "10-weft.conflist", other));
	put(dir, "10-flannel.conflist", "{}");
	put(dir, "10-calico.conflist", "{}");
	CHECK(cni_host_outsorted(dir, "10-weft.conflist", other));
	CHECK_STR(other, "10-calico.conflist");
	CHECK(!cni_host_outsorted("/nonexistent", "10-weft.conflist", other));
	fixture_remove(dir);
}

/* What cannot be written leaves the old file as it was, and nothing half-done. */
static void failing_leaves_the_old(void)
{
	char *dir = fixture_directory(), path[400];
	struct err err = { 0 };

	put(dir, "net", "a file where a directory is wanted");
	snprintf(path, sizeof(path), "%s/net", dir);
	CHECK(cni_host_configure(path, "10-weft.conflist", (struct bytes){ 0 }, &err) < 0);
	CHECK(strstr(err.text, path) != NULL);
	CHECK_UINT(files_in(dir), 1);
	fixture_remove(dir);
}

int main(void)
{
	RUN(program_is_copied_once);
	RUN(configuration_is_put_there);
	RUN(failing_leaves_the_old);
	return check_report();
}
