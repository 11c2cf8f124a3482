/*
 * Holds a pod's namespaces while its containers come and go. As PID 1 of a pod whose containers
 * share a PID namespace it also reaps: SIGCHLD ignored means that no child becomes a zombie.
 */
#include <signal.h>
#include <unistd.h>

static void stop(int number)
{
	(void)number;
	_exit(0);
}

int main(void)
{
	signal(SIGCHLD, SIG_IGN);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	for (;;)
		pause();
}
