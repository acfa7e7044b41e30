/* What a confined process can still do, and what it cannot any more: tried in children, since there is no way back. */
#include "main/sandbox.h"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/assert.h"
#include "child.h"

#ifdef BALLAST_SANITIZE
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static char directory[] = "/tmp/ballast-sandbox-XXXXXX";

static int make_directory(void **state)
{
    return mkdtemp(directory) && chdir(directory) == 0 && mkdir("log", 0700) == 0 && mkdir("other", 0700) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
    static const char *const files[] = {"log/a.log", "log/b.log", "log/link", "other/file", "other/a.log", "link.log"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        unlink(files[i]);
    rmdir("log");
    rmdir("other");
    return rmdir(directory);
}

static int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd;
}

static void limit_files(const char *log_path)
{
    int version = 0;
    CHILD_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    const char *why = sandbox_limit_files(&log_path, 1, &version);
    if (why && strcmp(why, "the kernel has no Landlock") == 0)
        _exit(CHILD_SKIPPED);
    CHILD_CHECK(why == NULL && version >= 1);
}

static void assert_child(void (*act)(void))
{
    int code = child_exit(act);
    if (code == CHILD_SKIPPED)
        skip();
    assert_int_equal(code, CHILD_GOOD);
}

/* ---- files ---- */

static void try_files(void)
{
    CHILD_CHECK(opened("other/file", O_WRONLY | O_CREAT) >= 0);
    int kept = open("other/file", O_WRONLY);
    limit_files("log/a.log");
    CHILD_CHECK(opened("log/a.log", O_WRONLY | O_APPEND) >= 0); /* it was made */
    CHILD_CHECK(opened("log/b.log", O_WRONLY | O_APPEND | O_CREAT) >= 0);
    CHILD_CHECK(write(kept, "x", 1) == 1); /* what is open stays open */
    CHILD_FAILS(opened("other/file", O_WRONLY), EACCES);
    CHILD_FAILS(opened("other/new", O_WRONLY | O_CREAT), EACCES);
    CHILD_FAILS(opened("/dev/full", O_WRONLY), EACCES);
    CHILD_FAILS(unlink("log/a.log"), EACCES);
    CHILD_FAILS(rename("log/a.log", "log/c.log"), EACCES);
    CHILD_FAILS(mkdir("log/new", 0700), EACCES);
    CHILD_FAILS(symlink("a.log", "log/link"), EACCES);
    if (SANITIZED)
        return;
    CHILD_FAILS(opened("log/a.log", O_RDONLY), EACCES);
    CHILD_FAILS(opened("/etc/passwd", O_RDONLY), EACCES);
    CHILD_FAILS(opened("/", O_RDONLY | O_DIRECTORY), EACCES);
    char *const words[] = {NULL};
    CHILD_FAILS(execv("/bin/true", words), EACCES);
}

static void sandbox_leaves_the_log_alone(void **state)
{
    assert_child(try_files);
}

static void try_no_log(void)
{
    limit_files(NULL);
    CHILD_FAILS(opened("log/b.log", O_WRONLY | O_CREAT), EACCES);
    CHILD_FAILS(opened("other/file", O_WRONLY | O_CREAT), EACCES);
}

static void try_missing_directory(void)
{
    limit_files("no/such/a.log");
    CHILD_FAILS(opened("other/file", O_WRONLY | O_CREAT), EACCES);
}

/* A link to a log elsewhere: there it is made anew after a rotation. */
static void try_link(void)
{
    CHILD_CHECK(symlink("other/a.log", "link.log") == 0);
    limit_files("link.log");
    CHILD_CHECK(opened("link.log", O_WRONLY | O_APPEND) >= 0);
    CHILD_CHECK(opened("other/file", O_WRONLY | O_CREAT) >= 0);
    CHILD_FAILS(opened("log/b.log", O_WRONLY | O_CREAT), EACCES);
}

/* No file among files: the device alone, and not what lies beside it. */
static void try_device(void)
{
    limit_files("/dev/null");
    CHILD_CHECK(opened("/dev/null", O_WRONLY | O_APPEND) >= 0);
    CHILD_FAILS(opened("/dev/full", O_WRONLY), EACCES);
}

static void try_pipe(void)
{
    int ends[2];
    char path[64];
    CHILD_CHECK(pipe(ends) == 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
    limit_files(path);
    CHILD_CHECK(opened(path, O_WRONLY | O_APPEND) >= 0);
    CHILD_FAILS(opened("other/file", O_WRONLY | O_CREAT), EACCES);
}

static void sandbox_knows_every_kind_of_log(void **state)
{
    static void (*const acts[])(void) = {try_no_log, try_missing_directory, try_link, try_device, try_pipe};
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        assert_child(acts[i]);
        unlink("other/file");
    }
}

/* ---- system calls ---- */

static void limit_calls(void)
{
    CHILD_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    const char *why = sandbox_limit_calls();
    if (why && (SANITIZED || strcmp(why, "the kernel has no seccomp filters") == 0 ||
                strcmp(why, "not written for this processor") == 0))
        _exit(CHILD_SKIPPED);
    CHILD_CHECK(why == NULL);
}

static void *do_nothing(void *argument)
{
    return argument;
}

static void try_allowed(void)
{
    pthread_t thread;
    struct addrinfo *found = NULL;
    limit_calls();
    CHILD_CHECK(pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHILD_CHECK(getaddrinfo("localhost", "80", NULL, &found) == 0);
    freeaddrinfo(found);
    void *big = malloc(64 << 20); /* not per request: the mapping of a large block is what is tried */
    CHILD_CHECK(big != NULL);
    free(big); /* not per request: see above */
    CHILD_CHECK(opened("other/file", O_WRONLY | O_CREAT) >= 0);
    CHILD_CHECK(socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno == EAFNOSUPPORT);
    CHILD_CHECK(raise(0) == 0);
}

static void try_denied(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    limit_calls();
    CHILD_FAILS(kill(getppid(), 0), EPERM);
    CHILD_FAILS(unlink("other/file"), EPERM);
    CHILD_FAILS(chmod("log", 0777), EPERM);
    CHILD_FAILS(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
    CHILD_FAILS(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM);
    CHILD_FAILS(mprotect(page, 4096, PROT_READ | PROT_EXEC), EPERM);
    CHILD_CHECK(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHILD_FAILS(prctl(PR_SET_DUMPABLE, 1), EPERM);
    CHILD_FAILS(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
    CHILD_FAILS(syscall(SYS_memfd_create, "x", 0), EPERM);
    CHILD_FAILS(syscall(SYS_clone3, NULL, 0), ENOSYS);
}

static void sandbox_lets_a_server_work(void **state)
{
    assert_child(try_allowed);
    assert_child(try_denied);
}

static void *wait_and_kill(void *argument)
{
    char byte;
    int *ends = argument;
    CHILD_CHECK(read(ends[0], &byte, 1) == 1);
    CHILD_FAILS(kill(getppid(), 0), EPERM);
    return NULL;
}

static void try_thread(void)
{
    int ends[2];
    pthread_t thread;
    CHILD_CHECK(pipe(ends) == 0 && pthread_create(&thread, NULL, wait_and_kill, ends) == 0);
    limit_calls();
    CHILD_CHECK(write(ends[1], "x", 1) == 1 && pthread_join(thread, NULL) == 0);
}

static void sandbox_binds_threads_that_run_already(void **state)
{
    assert_child(try_thread);
}

static void try_exec(void)
{
    char *const words[] = {NULL};
    limit_calls();
    execv("/bin/true", words);
}

static void try_fork(void)
{
    limit_calls();
    if (fork() == 0)
        _exit(CHILD_BAD);
}

static void try_ptrace(void)
{
    limit_calls();
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void try_setuid(void)
{
    limit_calls();
    syscall(SYS_setuid, 0);
}

static void try_other_table(void)
{
    limit_calls();
    syscall(0x40000000 | SYS_getpid);
}

static void sandbox_kills_who_took_it_over(void **state)
{
    static void (*const acts[])(void) = {try_exec, try_fork, try_ptrace, try_setuid, try_other_table};
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        int status = child_status(acts[i]);
        if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
            skip();
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

static void try_abort(void)
{
    limit_calls();
    abort();
}

static void sandbox_lets_it_end_itself(void **state)
{
    int status = child_status(try_abort);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
        skip();
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sandbox_leaves_the_log_alone),   cmocka_unit_test(sandbox_knows_every_kind_of_log),
        cmocka_unit_test(sandbox_lets_a_server_work),     cmocka_unit_test(sandbox_binds_threads_that_run_already),
        cmocka_unit_test(sandbox_kills_who_took_it_over), cmocka_unit_test(sandbox_lets_it_end_itself),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
