/* System calls that fail on request: loaded before the C library (LD_PRELOAD), armed from Python by `fail_at`.

   The n-th call from now on of one kind, counted over this process, sets errno and fails; all others are passed on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char kind[16];
static long left = 0;
static int code = 0;
static long seen = 0;

void fail_at(const char *which, long number, int error) {
    strncpy(kind, which, sizeof kind - 1);
    left = number;
    code = error;
    seen = 0;
}

/* Calls of the armed kind since `fail_at`. */
long calls_seen(void) { return seen; }

static int fails(const char *which) {
    if (strcmp(kind, which) != 0) return 0;
    seen++;
    if (left == 0 || --left != 0) return 0;
    errno = code;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                        \
    int name(const char *path, int flags, ...) {          \
        va_list rest;                                     \
        va_start(rest, flags);                            \
        mode_t mode = va_arg(rest, mode_t);               \
        va_end(rest);                                     \
        if (fails("open")) return -1;                     \
        return NEXT(name)(path, flags, mode);             \
    }
OPEN(open)
OPEN(open64)

ssize_t read(int file, void *buffer, size_t size) {
    if (file > 2 && fails("read")) return -1;
    return NEXT(read)(file, buffer, size);
}

ssize_t write(int file, const void *buffer, size_t size) {
    if (file > 2 && fails("write")) return -1;
    return NEXT(write)(file, buffer, size);
}

int fsync(int file) { return fails("fsync") ? -1 : NEXT(fsync)(file); }
int close(int file) { return file > 2 && fails("close") ? (NEXT(close)(file), -1) : NEXT(close)(file); }
int rename(const char *from, const char *to) { return fails("rename") ? -1 : NEXT(rename)(from, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
    return fails("rename") ? -1 : NEXT(renameat2)(a, from, b, to, flags);
}
int link(const char *from, const char *to) { return fails("link") ? -1 : NEXT(link)(from, to); }
int unlink(const char *path) { return fails("unlink") ? -1 : NEXT(unlink)(path); }
int mkdir(const char *path, mode_t mode) { return fails("mkdir") ? -1 : NEXT(mkdir)(path, mode); }
int rmdir(const char *path) { return fails("rmdir") ? -1 : NEXT(rmdir)(path); }
int flock(int file, int operation) { return fails("flock") ? -1 : NEXT(flock)(file, operation); }
