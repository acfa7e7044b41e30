/* Landlock and seccomp by their raw system calls. Called by priv, in the server's process only, before it serves.
 *
 * No library stands in between: Debian 12's C library wraps neither, and the filter is a flat list that reads like its
 * table. Older kernels are asked for less; a kernel that has nothing of it is no error, but is said. */
#include "main/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"

/* ---- files ---- */

/* The ruleset as of version 6; a kernel is given as much of it as it knows. */
struct file_rules {
    uint64_t files;
    uint64_t network; /* not limited: clients and workers may be anywhere */
    uint64_t scoped;
};

enum {
    VERSION_REFER = 2,
    VERSION_TRUNCATE = 3,
    VERSION_NETWORK = 4,
    VERSION_DEVICES = 5,
    VERSION_SCOPED = 6,
};

#define ACCESS_FIRST    ((1ULL << 13) - 1) /* what version 1 knows */
#define ACCESS_REFER    (1ULL << 13)
#define ACCESS_TRUNCATE (1ULL << 14)
#define ACCESS_DEVICES  (1ULL << 15)
#define SCOPED_SIGNAL   (1ULL << 1)

static uint64_t rights_of(int version)
{
    uint64_t rights = ACCESS_FIRST;

    if (version >= VERSION_REFER)
        rights |= ACCESS_REFER;
    if (version >= VERSION_TRUNCATE)
        rights |= ACCESS_TRUNCATE;
    if (version >= VERSION_DEVICES)
        rights |= ACCESS_DEVICES;
#ifdef BALLAST_SANITIZE
    /* The sanitizers read maps and start a symbolizer. */
    rights &= ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
#endif
    return rights;
}

static int create_rules(int version)
{
    struct file_rules rules = {
        .files = rights_of(version),
        .scoped = version >= VERSION_SCOPED ? SCOPED_SIGNAL : 0,
    };
    size_t known = version >= VERSION_SCOPED    ? sizeof(rules)
                   : version >= VERSION_NETWORK ? offsetof(struct file_rules, scoped)
                                                : offsetof(struct file_rules, network);

    return (int)syscall(SYS_landlock_create_ruleset, &rules, known, 0);
}

static int add_rule(int rules, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
    int failed = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);

    return failed && errno == EBADFD ? 0 : failed; /* a pipe: of no file system, and so not limited */
}

/* The directory of the file itself, behind symbolic links: there a rotated log is made anew. */
static int add_directory(int rules, const char *file)
{
    char path[PATH_MAX];
    int fd = realpath(file, path) ? open(dirname(path), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0)
        return -1;
    int failed = add_rule(rules, fd, LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG);
    close(fd);
    return failed;
}

/* A log that cannot be opened gets no rule: whoever opens it next says so. */
static int add_log(int rules, const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640) : -1;
    struct stat about;
    int failed = 0;

    if (fd < 0)
        return 0;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode))
        failed = add_directory(rules, path);
    else
        failed = add_rule(rules, fd, LANDLOCK_ACCESS_FS_WRITE_FILE);
    close(fd);
    return failed;
}

const char *sandbox_limit_files(const char *const *log_paths, size_t count, int *ret_version)
{
    int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1)
        return errno == ENOSYS || errno == EOPNOTSUPP ? "the kernel has no Landlock" : strerror(errno);
    int rules = create_rules(version);
    if (rules < 0)
        return strerror(errno);
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = add_log(rules, log_paths[i]);
    if (!failed)
        failed = (int)syscall(SYS_landlock_restrict_self, rules, 0);
    const char *why = failed ? strerror(errno) : NULL;
    close(rules);
    if (!why)
        *ret_version = version;
    return why;
}

/* ---- system calls ---- */

#if defined(__x86_64__)
#define PROCESSOR AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define PROCESSOR AUDIT_ARCH_AARCH64
#else
#define PROCESSOR 0
#endif

enum {
    FILTER_MAX = 512,
    CALL_X32 = 0x40000000, /* x86: numbers from here on are another table of calls */
    DENY = SECCOMP_RET_ERRNO | EPERM,
};
#define KILL SECCOMP_RET_KILL_PROCESS

struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short n;
};

static void put(struct filter *filter, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
    ASSERT(filter->n < FILTER_MAX);
    filter->code[filter->n++] = (struct sock_filter){code, if_true, if_false, k};
}

static void put_load(struct filter *filter, size_t offset)
{
    put(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_return(struct filter *filter, uint32_t action)
{
    put(filter, BPF_RET | BPF_K, action, 0, 0);
}

static void put_call(struct filter *filter, uint32_t call, uint32_t action)
{
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    put_return(filter, action);
}

/* What becomes of a call by the low half of one argument: `found` where argument & mask is one of the values. */
struct argument_rule {
    uint32_t call;
    uint32_t argument;
    uint32_t mask;
    uint32_t values[4];
    uint32_t count;
    uint32_t found, otherwise;
};

static void put_argument_rule(struct filter *filter, const struct argument_rule *rule)
{
    size_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;

    put(filter, BPF_JMP | BPF_JEQ | BPF_K, rule->call, 0, (uint8_t)(2 * rule->count + 3));
    put_load(filter, offsetof(struct seccomp_data, args) + rule->argument * sizeof(uint64_t) + low);
    put(filter, BPF_ALU | BPF_AND | BPF_K, rule->mask, 0, 0);
    for (uint32_t i = 0; i < rule->count; i++)
        put_call(filter, rule->values[i], rule->found);
    put_return(filter, rule->otherwise);
}

/* Threads and no processes; memory that is written or executed, never both; sockets to clients, workers and name
 * servers; signals to itself (abort). */
static void put_argument_rules(struct filter *filter)
{
    enum { PROT_BOTH = PROT_WRITE | PROT_EXEC };
    const struct argument_rule rules[] = {
        {__NR_mmap, 2, PROT_BOTH, {PROT_BOTH}, 1, DENY, SECCOMP_RET_ALLOW},
        {__NR_mprotect, 2, PROT_EXEC, {0}, 1, SECCOMP_RET_ALLOW, DENY},
        {__NR_socket, 0, UINT32_MAX, {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}, 4, SECCOMP_RET_ALLOW, DENY},
        {__NR_clone, 0, CLONE_THREAD, {CLONE_THREAD}, 1, SECCOMP_RET_ALLOW, KILL},
        {__NR_tgkill, 0, UINT32_MAX, {(uint32_t)getpid()}, 1, SECCOMP_RET_ALLOW, DENY},
        {__NR_ioctl, 1, UINT32_MAX, {FIONREAD, SIOCOUTQ, TCGETS}, 3, SECCOMP_RET_ALLOW, DENY},
        {__NR_prctl, 0, UINT32_MAX, {PR_SET_NAME}, 1, SECCOMP_RET_ALLOW, DENY},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        put_argument_rule(filter, &rules[i]);
}

static void put_filter(struct filter *filter)
{
    put_load(filter, offsetof(struct seccomp_data, arch));
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, PROCESSOR, 1, 0);
    put_return(filter, KILL);
    put_load(filter, offsetof(struct seccomp_data, nr));
    put(filter, BPF_JMP | BPF_JGE | BPF_K, CALL_X32, 0, 1);
    put_return(filter, KILL);
#define ALLOWED(name) put_call(filter, __NR_##name, SECCOMP_RET_ALLOW);
#define FATAL(name)
#include "main/sandbox.def"
#undef ALLOWED
#undef FATAL
    put_argument_rules(filter);
    /* Its flags lie in memory, out of a filter's sight: the C library then takes clone. */
    put_call(filter, __NR_clone3, SECCOMP_RET_ERRNO | ENOSYS);
#define ALLOWED(name)
#define FATAL(name) put_call(filter, __NR_##name, KILL);
#include "main/sandbox.def"
#undef ALLOWED
#undef FATAL
    put_return(filter, DENY);
}

#ifdef BALLAST_SANITIZE
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

const char *sandbox_limit_calls(void)
{
    struct filter filter = {.n = 0};
    uint32_t kill = KILL;

    if (SANITIZED)
        return "built with a sanitizer";
    if (!PROCESSOR)
        return "not written for this processor";
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill))
        return errno == ENOSYS || errno == EOPNOTSUPP ? "the kernel has no seccomp filters" : strerror(errno);
    put_filter(&filter);
    struct sock_fprog program = {.len = filter.n, .filter = filter.code};
    long failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return failed ? strerror(failed < 0 ? errno : EAGAIN) : NULL; /* above 0: a thread that cannot be filtered */
}
