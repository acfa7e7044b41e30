/* Looking and judging are kept apart, so that every judgement can be tested without such a machine. Nothing is changed
 * here; what is wrong is said with the command that mends it. */
#include "main/doctor.h"

#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "main/keeper.h"
#include "main/processors.h"
#include "net/tls_kernel.h"

enum { BACKLOG_GOOD = 1024, PORTS_GOOD = 20000 };

/* ---- looking ---- */

/* The first numbers of a file of /proc; how many were there. */
static size_t read_numbers(const char *path, uint64_t *ret_numbers, size_t most)
{
    char text[128];
    FILE *file = fopen(path, "re");
    size_t count = 0;

    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof(text), file);
    (void)fclose(file);
    struct str rest = str_trim(str_slice(text, n));
    while (count < most && rest.n > 0) {
        size_t end = 0;
        while (end < rest.n && rest.p[end] >= '0' && rest.p[end] <= '9')
            end++;
        if (str_parse_u64(str_slice(rest.p, end), INT64_MAX, &ret_numbers[count]))
            break;
        count++;
        rest = str_trim(str_slice(rest.p + end, rest.n - end));
    }
    return count;
}

static bool wants_kernel_tls(const struct config *config)
{
    bool wanted = false;

    for (size_t i = 0; i < config->listeners.count; i++)
        wanted |= config->listeners.items[i].tls.kernel == CONFIG_TLS_KERNEL_AUTO;
    return wanted;
}

static uint32_t lowest_port(const struct config *config)
{
    uint32_t lowest = UINT32_MAX;

    for (size_t i = 0; i < config->listeners.count; i++) {
        const struct config_address *address = &config->listeners.items[i].address;
        if (address->addr.storage.ss_family != AF_UNIX && address->port < lowest)
            lowest = address->port;
    }
    return lowest;
}

static void look_at_limits(const struct config *config, struct doctor_facts *facts)
{
    struct rlimit limit;
    uint64_t numbers[2] = {0, 0};

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        facts->descriptors = limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max;
    if (geteuid() == 0)
        facts->descriptors = UINT64_MAX; /* root raises it, as Ballast does at its start */
    facts->descriptors_wanted = keeper_descriptors(config);
    if (read_numbers("/proc/sys/net/core/somaxconn", numbers, 1) == 1)
        facts->backlog = numbers[0];
    if (read_numbers("/proc/sys/net/ipv4/ip_local_port_range", numbers, 2) == 2 && numbers[1] >= numbers[0])
        facts->ports = numbers[1] - numbers[0] + 1;
    if (read_numbers("/proc/sys/net/ipv4/ip_unprivileged_port_start", numbers, 1) == 1)
        facts->low_port = numbers[0];
}

static void look_at_kernel(struct doctor_facts *facts)
{
    struct timex clock = {0};
    char parameters[120] = {0}; /* struct io_uring_params, all zero */
    long ring = syscall(SYS_io_uring_setup, 1, parameters);
    long landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    uint32_t kill = SECCOMP_RET_KILL_PROCESS;

    if (ring >= 0)
        (void)close((int)ring);
    facts->io_uring = ring >= 0;
    facts->kernel_tls = tls_kernel_offered();
    facts->landlock = landlock > 0 ? (int)landlock : 0;
    facts->seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill) == 0;
    facts->clock_synchronised = adjtimex(&clock) != -1 && !(clock.status & STA_UNSYNC);
}

void doctor_look(const struct config *config, struct doctor_facts *ret_facts)
{
    uint32_t connections = config->limits.connections ? config->limits.connections : 10000;

    *ret_facts = (struct doctor_facts){
        .processors = processors_usable(),
        .threads = config->threads,
        .worker_connections = connections,
        .privileged_port = lowest_port(config),
        .may_bind = geteuid() == 0,
        .sandbox_on = config->sandbox != CONFIG_SANDBOX_OFF,
        .kernel_tls_wanted = wants_kernel_tls(config),
    };
    look_at_limits(config, ret_facts);
    look_at_kernel(ret_facts);
}

/* ---- judging ---- */

enum verdict { OK, NOTE, WARN, BAD };

struct report {
    FILE *out;
    unsigned bad;
};

static void say(struct report *report, enum verdict verdict, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void say(struct report *report, enum verdict verdict, const char *name, const char *format, ...)
{
    static const char *const words[] = {"ok", "note", "warn", "bad"};
    va_list arguments;

    report->bad += verdict == BAD;
    (void)fprintf(report->out, "%-4s %-12s ", words[verdict], name);
    va_start(arguments, format);
    (void)vfprintf(report->out, format, arguments);
    va_end(arguments);
    (void)fputc('\n', report->out);
}

static void judge_descriptors(struct report *report, const struct doctor_facts *facts)
{
    unsigned long long wanted = facts->descriptors_wanted, allowed = facts->descriptors;

    if (allowed >= wanted)
        say(report, OK, "descriptors", "%llu may be needed, and may be opened", wanted);
    else
        say(report, WARN, "descriptors",
            "%llu may be needed, %llu may be opened: raise the limit (LimitNOFILE=%llu in the unit file, or ulimit "
            "-n), "
            "or lower limits.connections",
            wanted, allowed, wanted);
}

static void judge_backlog(struct report *report, const struct doctor_facts *facts)
{
    if (facts->backlog >= BACKLOG_GOOD)
        say(report, OK, "somaxconn", "%llu connections may wait to be accepted", (unsigned long long)facts->backlog);
    else
        say(report, WARN, "somaxconn",
            "only %llu connections may wait to be accepted, so a burst is refused: sysctl -w net.core.somaxconn=4096",
            (unsigned long long)facts->backlog);
}

static void judge_ports(struct report *report, const struct doctor_facts *facts)
{
    unsigned long long ports = facts->ports, wanted = facts->worker_connections;

    if (ports >= PORTS_GOOD || ports >= wanted)
        say(report, OK, "ports", "%llu local ports for connections to each worker", ports);
    else
        say(report, WARN, "ports",
            "only %llu local ports for up to %llu connections to one worker: sysctl -w "
            "net.ipv4.ip_local_port_range=\"10240 65535\"",
            ports, wanted);
}

static void judge_threads(struct report *report, const struct doctor_facts *facts)
{
    if (facts->threads > facts->processors)
        say(report, WARN, "threads",
            "%u are configured, but this process may use %u processors (affinity and cgroup quota): threads: auto",
            facts->threads, facts->processors);
    else
        say(report, OK, "threads", "%u, with %u processors to use", facts->threads ? facts->threads : facts->processors,
            facts->processors);
}

static void judge_listening(struct report *report, const struct doctor_facts *facts)
{
    unsigned port = facts->privileged_port;

    if (port >= facts->low_port || port == UINT32_MAX)
        say(report, OK, "privileges", "no port needs any");
    else if (facts->may_bind)
        say(report, OK, "privileges", "port %u is below %llu, and may be listened on", port,
            (unsigned long long)facts->low_port);
    else
        say(report, BAD, "privileges",
            "port %u needs root, or CAP_NET_BIND_SERVICE (AmbientCapabilities= in the unit file, setcap "
            "cap_net_bind_service=+ep), or a higher port",
            port);
}

static void judge_clock(struct report *report, const struct doctor_facts *facts)
{
    if (facts->clock_synchronised)
        say(report, OK, "clock", "is synchronised");
    else
        say(report, NOTE, "clock",
            "the kernel does not call it synchronised: times in logs may be off; run an NTP client");
}

static void judge_sandbox(struct report *report, const struct doctor_facts *facts)
{
    if (!facts->sandbox_on)
        say(report, WARN, "sandbox", "is switched off in the configuration: sandbox: auto");
    else if (!facts->landlock || !facts->seccomp)
        say(report, WARN, "sandbox",
            "the kernel has no %s, so that part of it is missing: Linux 5.13 or newer has both",
            facts->landlock  ? "seccomp"
            : facts->seccomp ? "Landlock"
                             : "Landlock and no seccomp");
    else
        say(report, OK, "sandbox", "Landlock version %d and seccomp", facts->landlock);
}

static void judge_io_uring(struct report *report, const struct doctor_facts *facts)
{
    say(report, NOTE, "io_uring", "%s; Ballast works with epoll",
        facts->io_uring ? "the kernel allows it" : "the kernel has none, or forbids it");
}

static void judge_kernel_tls(struct report *report, const struct doctor_facts *facts)
{
    if (facts->kernel_tls && facts->kernel_tls_wanted)
        say(report, OK, "kernel_tls", "encrypts what is sent to clients (tls.kernel: auto)");
    else if (facts->kernel_tls_wanted)
        say(report, WARN, "kernel_tls",
            "is wanted, but the kernel has none, or its module is not loaded (modprobe tls): Ballast encrypts by "
            "itself");
    else
        say(report, NOTE, "kernel_tls", "%s; Ballast encrypts by itself",
            facts->kernel_tls ? "the kernel offers it (tls.kernel: auto)"
                              : "the kernel has none, or its module is not loaded");
}

unsigned doctor_print(const struct doctor_facts *facts, FILE *out)
{
    static void (*const judges[])(struct report * report, const struct doctor_facts *facts) = {
        judge_descriptors, judge_backlog, judge_ports,    judge_threads,    judge_listening,
        judge_clock,       judge_sandbox, judge_io_uring, judge_kernel_tls,
    };
    struct report report = {.out = out};

    for (size_t i = 0; i < ARRAY_SIZE(judges); i++)
        judges[i](&report, facts);
    return report.bad;
}
