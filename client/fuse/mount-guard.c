/*
 * A program that ends a mount's connection to the kernel when the thread that started it ends, or at SIGUSR1:
 * `mount-guard MINOR PARENT`, MINOR of the mount's device number (0:MINOR), PARENT the process that serves the mount.
 *
 * The kernel ends a connection when the last descriptor of the device is closed. A process that is killed while one of its
 * threads waits in the kernel with that descriptor (a notice, for a page that is being written) closes it only when that is
 * over, and what the thread waits for is an answer of that very process. So somebody else has to end it, who holds no such
 * descriptor, and hears of the death although not all threads are dead: pipes, sockets and pidfds tell of the last one only,
 * PR_SET_PDEATHSIG of the one that started us.
 *
 * Connections are ended through fusectl (Documentation/filesystems/fuse.rst in the kernel's tree), opened at the start: by
 * then the number is ours, and who opens it later could end another's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Where systemd mounts it; there the connection belongs to the user who mounted. */
static const char usual_place[] = "/sys/fs/fuse/connections";

/* fusectl, mounted nowhere: as root we need not rely on the usual place. */
static int mounted_nowhere(void)
{
  int context = fsopen("fusectl", FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  int mount = -1;
  if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
  close(context);
  return mount;
}

static int open_abort(const char *minor)
{
  char name[64];
  snprintf(name, sizeof name, "%s/abort", minor);
  int directory = open(usual_place, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int file = openat(directory, name, O_WRONLY | O_CLOEXEC);
  if (directory >= 0) close(directory);
  if (file >= 0 || geteuid() != 0) return file;
  directory = mounted_nowhere();
  if (directory < 0) return -1;
  file = openat(directory, name, O_WRONLY | O_CLOEXEC);
  close(directory);
  return file;
}

int main(int count, char **words)
{
  if (count != 3) {
    fprintf(stderr, "usage: mount-guard MINOR PARENT\n");
    return 2;
  }
  sigset_t death;
  sigemptyset(&death);
  sigaddset(&death, SIGUSR1);
  sigprocmask(SIG_BLOCK, &death, NULL);
  if (prctl(PR_SET_PDEATHSIG, SIGUSR1) < 0) {
    fprintf(stderr, "prctl: %s\n", strerror(errno));
    return 1;
  }
  int file = open_abort(words[1]);
  if (file < 0) {
    fprintf(stderr, "fusectl, connection %s: %s\n", words[1], strerror(errno));
    return 1;
  }
  if (chdir("/") < 0 || write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
  close(STDIN_FILENO);
  close(STDOUT_FILENO);
  close(STDERR_FILENO);
  /* A parent that died before prctl is not told of. */
  int signal;
  if (getppid() == atoi(words[2])) sigwait(&death, &signal);
  /* Of a connection that has ended by itself nothing is left that could be ended. */
  return write(file, "1", 1) == 1 ? 0 : 1;
}
