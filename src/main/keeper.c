/* Small enough to read in five minutes: no threads, no loop of its own, blocking waits. What it starts is a fork of
 * itself, so that the configuration it checked is the one that runs. */
#include "main/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "control/admin_http.h"
#include "control/logs.h"
#include "control/signal.h"
#include "io/sock.h"
#include "main/admin_socket.h"
#include "main/processors.h"
#include "proxy/reactor.h"

enum {
    BACKLOG = 4096,
    DESCRIPTORS_OWN = 64, /* logs, loops, libraries */
    CONNECTIONS_AUTO = 10000,
    CONNECTIONS_LEAST = 16,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 10000,
    NOT_FORKED = -1,       /* no status that waitpid gives */
    LIVED_WELL_MS = 10000, /* a server that ran this long is started again at once */
};

/* ---- descriptors ---- */

static uint64_t descriptors_for(const struct config *config, uint32_t reactors, uint64_t connections)
{
    uint64_t idle = (uint64_t)config->limits.idle_per_worker * config->worker_count * reactors;

    return 2 * connections + connections / (REACTOR_CONNECTIONS_PER_PIPE / 2) +
           (idle < connections ? idle : connections) + config->worker_count +
           (uint64_t)reactors * (config->listeners.count + 2) + DESCRIPTORS_OWN +
           (config_has_admin(config) ? ADMIN_CLIENTS_MAX : 0);
}

static uint32_t reactors_of(const struct config *config)
{
    return config->threads ? config->threads : processors_usable();
}

uint64_t keeper_descriptors(const struct config *config)
{
    return descriptors_for(config, reactors_of(config),
                           config->limits.connections ? config->limits.connections : CONNECTIONS_AUTO);
}

/* Raises the limit to `wanted`, or as far as allowed; returns what it is then. */
static uint64_t raise_limit(uint64_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return wanted;
    struct rlimit raised = {.rlim_cur = wanted, .rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return wanted;
    raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? limit.rlim_max : limit.rlim_cur;
}

static int choose_connections(const struct config *config, uint32_t reactors, uint32_t *ret_connections)
{
    uint32_t connections = config->limits.connections ? config->limits.connections : CONNECTIONS_AUTO;
    uint64_t wanted = descriptors_for(config, reactors, connections);
    uint64_t allowed = raise_limit(wanted);
    uint64_t least = descriptors_for(config, reactors, 0) + 3 * CONNECTIONS_LEAST;

    if (allowed < wanted && (config->limits.connections || allowed < least)) {
        fprintf(stderr,
                "ballast: limits.connections %u needs %llu file descriptors, but this process may open only %llu: "
                "raise the "
                "limit (ulimit -n %llu, or LimitNOFILE= in the unit file) or lower limits.connections.\n",
                connections, (unsigned long long)wanted, (unsigned long long)allowed, (unsigned long long)wanted);
        return -ERR_NO_DESCRIPTORS;
    }
    if (allowed < wanted) {
        connections = (uint32_t)((allowed - descriptors_for(config, reactors, 0)) * 4 / 13); /* 3.25 each */
        log_info("the limit of open files allows fewer connections than usual", LOG_N("connections", connections),
                 LOG_N("open_files", (int64_t)allowed), LOG_N("usual", CONNECTIONS_AUTO));
    }
    *ret_connections = connections;
    return 0;
}

/* ---- sockets ---- */

static const char *why_and_what_to_do(int error)
{
    switch (-error) {
    case ERR_ADDRESS_IN_USE:
        return "the address is already in use: stop the program that listens there, or listen elsewhere (--listen)";
    case ERR_NO_PERMISSION:
        return "permission was denied: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE (setcap "
               "cap_net_bind_service=+ep), so give it, or listen on a higher port (--listen 8080)";
    case ERR_BAD_ADDRESS: return "this machine has no such address: see `ip address` for those it has";
    case ERR_NO_DESCRIPTORS: return "too many files are open: raise the limit (ulimit -n)";
    default: return err_sentence(error);
    }
}

/* With several sockets on one address the system would let a second program join them unseen: an exclusive bind asks
 * first. */
static int bind_one(const struct config_listener *listener, uint32_t reactors, uint32_t step, int *fds,
                    struct unix_file *file)
{
    bool is_unix = listener->address.addr.storage.ss_family == AF_UNIX;
    bool shared = reactors > 1 && !is_unix;
    char why[UNIX_FILE_WHY_MAX] = "";
    int error = shared ? sock_check_free(&listener->address.addr) : 0;

    for (uint32_t i = 0; i < reactors && !error; i++) {
        if (i > 0 && !shared)
            fds[i * step] = dup(fds[0]);
        else if (is_unix)
            fds[i * step] = unix_file_listen(listener, BACKLOG, file, why);
        else
            fds[i * step] = sock_listen(&listener->address.addr, BACKLOG, shared);
        if (fds[i * step] < 0)
            error = i > 0 && !shared ? err_from_errno(errno) : fds[i * step];
        else
            sock_defer_accept(fds[i * step]);
    }
    if (error)
        fprintf(stderr, "ballast: cannot listen on %.*s: %s.\n", STR_ARG(listener->address.text),
                why[0] ? why : why_and_what_to_do(error));
    return error;
}

static void remove_files(struct keeper_sockets *sockets)
{
    for (uint32_t i = 0; sockets->files && i < sockets->listeners; i++)
        unix_file_remove(&sockets->files[i]);
}

static int bind_all(const struct config *config, uint32_t reactors, struct keeper_sockets *ret_sockets)
{
    uint32_t listeners = (uint32_t)config->listeners.count;
    int *fds = calloc((size_t)reactors * listeners, sizeof(*fds)); /* start-up only: one table of sockets */
    struct unix_file *files = calloc(listeners, sizeof(*files));   /* start-up only: beside it */

    *ret_sockets = (struct keeper_sockets){fds, reactors, listeners, files};
    if (!fds || !files)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < listeners; i++) {
        int error = bind_one(&config->listeners.items[i], reactors, listeners, fds + i, &files[i]);
        if (error) {
            remove_files(ret_sockets); /* the process ends, its sockets with it */
            return error;
        }
    }
    return 0;
}

/* An address is listened on until the last process closes it: while the server drains, new clients are to be refused,
 * not to wait for nobody. */
static void stop_listening(struct keeper_sockets *sockets)
{
    for (uint32_t i = 0; i < sockets->reactors * sockets->listeners; i++) {
        if (sockets->fds[i] >= 0)
            close(sockets->fds[i]);
        sockets->fds[i] = -1;
    }
    remove_files(sockets);
}

/* ---- the server ---- */

static int find_user(const struct config *config, struct priv *ret_priv)
{
    char why[PRIV_WHY_MAX];
    int error = priv_find(config, ret_priv, why);

    if (error)
        fprintf(stderr, "ballast: %s.\n", why);
    return error;
}

int keeper_prepare(struct config *config, struct keeper_plan *ret_plan)
{
    uint32_t reactors = reactors_of(config);

    log_configure(config->log.level, config->log.format);
    *ret_plan = (struct keeper_plan){.config = config, .admin_fd = -1};
    int error = find_user(config, &ret_plan->priv);
    if (!error)
        error = choose_connections(config, reactors, &ret_plan->connections);
    if (!error)
        error = bind_all(config, reactors, &ret_plan->sockets);
    if (!error && config_has_admin(config))
        error = admin_socket_open(&config->admin.address, &ret_plan->admin_fd);
    if (error)
        keeper_release(ret_plan);
    return error;
}

void keeper_release(struct keeper_plan *plan)
{
    config_destroy(&plan->config);
    free(plan->sockets.fds); /* start-up only: the sockets go with the process */
    plan->sockets.fds = NULL;
    free(plan->sockets.files); /* start-up only: as above */
    plan->sockets.files = NULL;
}

static int confine(void *context)
{
    return priv_finish(context);
}

static int run_server(struct keeper_plan *plan, enum signal_role role, _Atomic bool *ready)
{
    struct server_options options = {
        .config = plan->config,
        .role = role,
        .ready = ready,
        .connections = plan->connections,
        .reactors = plan->sockets.reactors,
        .listen_fds = plan->sockets.fds,
        .listeners = plan->sockets.listeners,
        .admin_fd = plan->admin_fd,
        .confine = confine,
        .confine_context = &plan->priv,
    };

    priv_begin(&plan->priv);
    enum server_exit code = server_run(&options);
    if (code != SERVER_EXIT_STOPPED)
        _exit((int)code); /* half started or cut short: the system takes back what the server holds */
    return (int)code;
}

int keeper_run_alone(struct keeper_plan *plan)
{
    _Atomic bool ready = false;

    return run_server(plan, SIGNAL_ALONE, &ready);
}

/* The child ends with its keeper: a killed keeper must not leave a server behind that nobody can stop. It has a process
 * group of its own, so that a terminal's interrupt reaches it once, through the keeper. Signals are blocked on entry.
 */
_Noreturn static void be_the_server(struct keeper_plan *plan, pid_t keeper, const sigset_t *open, _Atomic bool *ready)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    if (getppid() != keeper)
        _exit(SERVER_EXIT_NOT_STARTED);
    signal(SIGCHLD, SIG_DFL);
    signal_take(); /* what came before the fork is the keeper's */
    signal_install(NULL, SIGNAL_KEPT);
    sigprocmask(SIG_SETMASK, open, NULL);
    int code = run_server(plan, SIGNAL_KEPT, ready);
    keeper_release(plan);
    exit(code);
}

static void pass_on(pid_t server, unsigned signals)
{
    static const struct {
        unsigned word;
        int number;
    } numbers[] = {{SIGNAL_RELOAD, SIGHUP}, {SIGNAL_REOPEN_LOGS, SIGUSR1}, {SIGNAL_UPGRADE, SIGUSR2}};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (signals & numbers[i].word)
            kill(server, numbers[i].number);
    if (signals & SIGNAL_STOP_AGAIN)
        signal_pass_stop_again(server);
    else if (signals & SIGNAL_STOP)
        kill(server, SIGTERM);
}

/* Waits for the server's end and passes signals on meanwhile: they are let in only while sigsuspend waits, so that none
 * can slip between looking and waiting. True when it was told to stop. */
static bool watch(pid_t server, struct keeper_sockets *sockets, const sigset_t *open, int *ret_status)
{
    bool stopping = false;

    for (;;) {
        unsigned signals = signal_take();
        stopping |= (signals & (SIGNAL_STOP | SIGNAL_STOP_AGAIN)) != 0;
        pass_on(server, signals);
        if (stopping)
            stop_listening(sockets);
        if (waitpid(server, ret_status, WNOHANG) == server)
            return stopping;
        sigsuspend(open);
    }
}

static void on_child(int number)
{
}

static void log_death(int status, int64_t wait_ms)
{
    if (WIFSIGNALED(status))
        log_error("the server died and is started again", LOG_Z("signal", strsignal(WTERMSIG(status))),
                  LOG_N("wait_ms", wait_ms));
    else
        log_error("the server ended and is started again", LOG_N("exit", WEXITSTATUS(status)),
                  LOG_N("wait_ms", wait_ms));
}

/* A pause between starts, ended by a signal. */
static void pause_ms(int64_t ms, const sigset_t *open)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};

    pselect(0, NULL, NULL, NULL, &time, open);
}

static int exit_code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : SERVER_EXIT_FORCED;
}

static int64_t longer(int64_t wait_ms)
{
    if (wait_ms == 0)
        return BACKOFF_FIRST_MS;
    return 2 * wait_ms < BACKOFF_MAX_MS ? 2 * wait_ms : BACKOFF_MAX_MS;
}

static void take_signals(sigset_t *ret_open)
{
    struct sigaction child_ends = {.sa_handler = on_child};
    sigset_t all;

    signal_install(NULL, SIGNAL_ALONE);
    sigaction(SIGCHLD, &child_ends, NULL);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, ret_open);
}

/* One server from its fork to its end. True when that is the keeper's end too. */
static bool keep_one(struct keeper_plan *plan, const sigset_t *open, _Atomic bool *ever_ready, int *ret_status)
{
    pid_t keeper = getpid();
    pid_t server = fork();

    if (server == 0)
        be_the_server(plan, keeper, open, ever_ready);
    if (server < 0) {
        log_error("the server cannot be forked", LOG_Z("reason", strerror(errno)));
        return false;
    }
    bool stopping = watch(server, &plan->sockets, open, ret_status);
    bool refused = WIFEXITED(*ret_status) && WEXITSTATUS(*ret_status) == SERVER_EXIT_NOT_STARTED;
    return stopping || (refused && !atomic_load(ever_ready));
}

static int keep(struct keeper_plan *plan, const sigset_t *open, _Atomic bool *ever_ready)
{
    int64_t wait_ms = 0;

    for (;;) {
        int64_t began_ms = clock_steady_ms();
        int status = NOT_FORKED;
        if (keep_one(plan, open, ever_ready, &status))
            return exit_code_of(status);
        if (clock_steady_ms() - began_ms >= LIVED_WELL_MS)
            wait_ms = 0;
        if (status != NOT_FORKED)
            log_death(status, wait_ms);
        pause_ms(wait_ms, open);
        wait_ms = longer(wait_ms);
        if (signal_take() & SIGNAL_STOP)
            return SERVER_EXIT_STOPPED;
    }
}

int keeper_run(struct keeper_plan *plan)
{
    sigset_t open;
    /* Shared with the servers: whether one was ever ready. One that never was is not tried again. */
    _Atomic bool *ever_ready =
        mmap(NULL, sizeof(*ever_ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (ever_ready == MAP_FAILED)
        return SERVER_EXIT_NOT_STARTED;
    logs_keep(plan->config);
    take_signals(&open);
    int code = keep(plan, &open, ever_ready);
    remove_files(&plan->sockets);
    sigprocmask(SIG_SETMASK, &open, NULL);
    munmap(ever_ready, sizeof(*ever_ready));
    return code;
}
