/* A seam between a program and its disk: below one folder, one chosen open, write, fsync or rename fails.

   Loaded with LD_PRELOAD; faults.py arms it through ctypes. Only calls through libc's symbols are seen, which is how Python,
   numpy, Rust's and C++ libraries write. An operation is named by its kind and by its path below the folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[4096], wanted_kind[16], wanted_path[4096];
static size_t root_length;
static long wanted_nth, seen;
static int wanted_errno, fired, log_fd = -1;

void fault_below(const char *folder) {
    snprintf(root, sizeof root, "%s/", folder);
    root_length = strlen(root);
}

void fault_arm(const char *kind, const char *path, long nth, int error) {
    pthread_mutex_lock(&lock);
    snprintf(wanted_kind, sizeof wanted_kind, "%s", kind);
    snprintf(wanted_path, sizeof wanted_path, "%s", path);
    wanted_nth = nth, wanted_errno = error, seen = 0, fired = 0;
    pthread_mutex_unlock(&lock);
}

int fault_fired(void) { return fired; }

void fault_record(int fd) { log_fd = fd; }

/* Names that a library draws at random: .tmpAbC123 is .tmp*. */
static void settle(char *path) {
    char *name = strrchr(path, '/');
    char *at = strstr(name ? name : path, ".tmp");
    if (at && at[4]) strcpy(at + 4, "*");
}

/* Whether this operation is the one that fails; errno is set then. */
static int fails(const char *kind, const char *path) {
    if (!root_length || strncmp(path, root, root_length)) return 0;
    char name[4096];
    snprintf(name, sizeof name, "%s", path + root_length);
    settle(name);
    int hit = 0;
    pthread_mutex_lock(&lock);
    if (log_fd >= 0) {
        char line[4200];
        int n = snprintf(line, sizeof line, "%s\t%s\n", kind, name);
        syscall(SYS_write, log_fd, line, n);
    }
    if (wanted_nth && !strcmp(kind, wanted_kind) && !strcmp(name, wanted_path) && ++seen == wanted_nth) {
        fired = hit = 1;
        errno = wanted_errno;
    }
    pthread_mutex_unlock(&lock);
    return hit;
}

static int fd_fails(const char *kind, int fd) {
    if (!root_length) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int kept = errno;
    ssize_t n = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (n <= 0) return 0;
    path[n] = 0;
    return fails(kind, path);
}

static int at_fails(const char *kind, int dir, const char *path) {
    if (!root_length) return 0;
    if (path[0] == '/' ) return fails(kind, path);
    char whole[8192], link[64];
    ssize_t n;
    if (dir == AT_FDCWD) {
        if (!getcwd(whole, 4096)) return 0;
        n = strlen(whole);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        n = readlink(link, whole, 4095);
        if (n <= 0) return 0;
    }
    snprintf(whole + n, sizeof whole - n, "/%s", path);
    return fails(kind, whole);
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY)

int open(const char *path, int flags, ...) {
    REAL(open); MODE
    if (WRITES(flags) && at_fails("open", AT_FDCWD, path)) return -1;
    return real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(open64); MODE
    if (WRITES(flags) && at_fails("open", AT_FDCWD, path)) return -1;
    return real(path, flags, mode);
}
int openat(int dir, const char *path, int flags, ...) {
    REAL(openat); MODE
    if (WRITES(flags) && at_fails("open", dir, path)) return -1;
    return real(dir, path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...) {
    REAL(openat64); MODE
    if (WRITES(flags) && at_fails("open", dir, path)) return -1;
    return real(dir, path, flags, mode);
}
ssize_t write(int fd, const void *bytes, size_t n) {
    REAL(write);
    return fd_fails("write", fd) ? -1 : real(fd, bytes, n);
}
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    REAL(pwrite);
    return fd_fails("write", fd) ? -1 : real(fd, bytes, n, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    REAL(pwrite64);
    return fd_fails("write", fd) ? -1 : real(fd, bytes, n, at);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    return fd_fails("write", fd) ? -1 : real(fd, parts, n);
}
ssize_t sendfile(int to, int from, off_t *at, size_t n);
ssize_t sendfile(int to, int from, off_t *at, size_t n) {
    REAL(sendfile);
    return fd_fails("write", to) ? -1 : real(to, from, at, n);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t n);
ssize_t sendfile64(int to, int from, off64_t *at, size_t n) {
    REAL(sendfile64);
    return fd_fails("write", to) ? -1 : real(to, from, at, n);
}
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags) {
    REAL(copy_file_range);
    return fd_fails("write", to) ? -1 : real(from, a, to, b, n, flags);
}
size_t fwrite(const void *bytes, size_t size, size_t n, FILE *file) {
    REAL(fwrite);
    return fd_fails("write", fileno(file)) ? 0 : real(bytes, size, n, file);
}
int ftruncate(int fd, off_t n) {
    REAL(ftruncate);
    return fd_fails("write", fd) ? -1 : real(fd, n);
}
int ftruncate64(int fd, off64_t n) {
    REAL(ftruncate64);
    return fd_fails("write", fd) ? -1 : real(fd, n);
}
int fsync(int fd) {
    REAL(fsync);
    return fd_fails("fsync", fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    return fd_fails("fsync", fd) ? -1 : real(fd);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    return at_fails("rename", AT_FDCWD, to) ? -1 : real(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(renameat);
    return at_fails("rename", b, to) ? -1 : real(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(renameat2);
    return at_fails("rename", b, to) ? -1 : real(a, from, b, to, flags);
}
