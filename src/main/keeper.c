/* Small enough to read in five minutes: no threads, no loop of its own, blocking waits. What it starts is a fork of
 * itself, so that the configuration it checked is the one that runs. */
#include "main/keeper.h"

#include <errno.h>
#include <poll.h>
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
#include "main/admin_socket.h"
#include "main/keeper_reload.h"
#include "main/processors.h"
#include "proxy/reactor.h"

enum {
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

/* ---- the server ---- */

static struct config *config_of(const struct keeper *keeper)
{
    return config_slot_config(&keeper->slots[keeper->current]);
}

static int create_slots(struct keeper *keeper)
{
    int error = 0;

    for (uint32_t i = 0; i < CONFIG_SLOTS && !error; i++)
        error = config_slot_create(&keeper->slots[i]);
    if (error)
        fprintf(stderr, "ballast: no memory can be shared with the server: %s\n", err_sentence(error));
    return error;
}

static int open_sockets(struct keeper *keeper)
{
    const struct config *config = config_of(keeper);
    char why[KEEPER_WHY_MAX];
    int error = keeper_sockets_open(config, keeper->reactors, NULL, &keeper->sockets, why);

    if (error)
        fprintf(stderr, "ballast: %s.\n", why);
    if (!error && config_has_admin(config))
        error = admin_socket_open(&config->admin.address, &keeper->admin_fd);
    return error;
}

static int find_user(struct keeper *keeper)
{
    char why[PRIV_WHY_MAX];
    int error = priv_find(config_of(keeper), &keeper->priv, why);

    if (error)
        fprintf(stderr, "ballast: %s.\n", why);
    return error;
}

static int prepare(struct keeper *keeper)
{
    int error = create_slots(keeper);

    if (!error)
        error = config_slot_load(&keeper->slots[0], keeper->path, keeper->flags);
    if (error)
        return error;
    const struct config *config = config_of(keeper);
    keeper->reactors = reactors_of(config);
    log_configure(config->log.level, config->log.format);
    error = find_user(keeper);
    if (!error)
        error = choose_connections(config, keeper->reactors, &keeper->connections);
    return error ? error : open_sockets(keeper);
}

int keeper_prepare(const char *path, const struct config_flags *flags, struct keeper *ret_keeper)
{
    *ret_keeper = (struct keeper){.path = path, .flags = flags, .admin_fd = -1, .link = -1};
    int error = prepare(ret_keeper);

    if (error)
        keeper_release(ret_keeper);
    return error;
}

void keeper_release(struct keeper *keeper)
{
    keeper_sockets_close(&keeper->sockets, NULL);
    for (uint32_t i = 0; i < CONFIG_SLOTS; i++)
        config_slot_destroy(&keeper->slots[i]);
}

static int confine(void *context)
{
    return priv_finish(context);
}

static int run_server(struct keeper *keeper, enum signal_role role, int link, _Atomic bool *ready)
{
    struct server_options options = {
        .config = config_of(keeper),
        .role = role,
        .ready = ready,
        .connections = keeper->connections,
        .reactors = keeper->reactors,
        .listen_fds = keeper->sockets.fds,
        .listeners = keeper->sockets.listeners,
        .listen_width = keeper->sockets.width,
        .link = link,
        .slots = keeper->slots,
        .admin_fd = keeper->admin_fd,
        .confine = confine,
        .confine_context = &keeper->priv,
    };

    priv_begin(&keeper->priv);
    enum server_exit code = server_run(&options);
    if (code != SERVER_EXIT_STOPPED)
        _exit((int)code); /* half started or cut short: the system takes back what the server holds */
    return (int)code;
}

int keeper_run_alone(struct keeper *keeper)
{
    _Atomic bool ready = false;

    return run_server(keeper, SIGNAL_ALONE, -1, &ready);
}

static int only_read(struct keeper *keeper)
{
    int error = 0;

    for (uint32_t i = 0; i < CONFIG_SLOTS && !error; i++)
        error = region_read_only(&keeper->slots[i].region);
    return error;
}

/* The child ends with its keeper: a killed keeper must not leave a server behind that nobody can stop. It has a process
 * group of its own, so that a terminal's interrupt reaches it once, through the keeper. Signals are blocked on entry.
 */
_Noreturn static void be_the_server(struct keeper *keeper, pid_t parent, int link, const sigset_t *open,
                                    _Atomic bool *ready)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    if (getppid() != parent || only_read(keeper))
        _exit(SERVER_EXIT_NOT_STARTED);
    keeper_sockets_disown(&keeper->sockets);
    signal(SIGCHLD, SIG_DFL);
    signal_take(); /* what came before the fork is the keeper's */
    signal_install(NULL, SIGNAL_KEPT);
    sigprocmask(SIG_SETMASK, open, NULL);
    int code = run_server(keeper, SIGNAL_KEPT, link, ready);
    keeper_release(keeper);
    exit(code);
}

static void pass_on(pid_t server, unsigned signals)
{
    if (signals & SIGNAL_REOPEN_LOGS)
        kill(server, SIGUSR1);
    if (signals & SIGNAL_STOP_AGAIN)
        signal_pass_stop_again(server);
    else if (signals & SIGNAL_STOP)
        kill(server, SIGTERM);
}

/* Signals are let in only while this waits, so that none can slip between looking and waiting. */
static void wait_for_news(const struct keeper *keeper, const sigset_t *open)
{
    struct pollfd link = {.fd = keeper->link, .events = POLLIN};

    (void)!ppoll(&link, 1, NULL, open);
}

/* Until the server's end. True when it was told to stop. */
static bool watch(struct keeper *keeper, const sigset_t *open, int *ret_status)
{
    bool stopping = false;

    for (;;) {
        unsigned signals = signal_take();
        stopping |= (signals & (SIGNAL_STOP | SIGNAL_STOP_AGAIN)) != 0;
        pass_on(keeper->server, signals);
        if (signals & SIGNAL_UPGRADE)
            log_warn("this version cannot upgrade in place: stop it and start it again");
        if (stopping)
            keeper_sockets_close(&keeper->sockets, NULL); /* who comes now is refused, and does not wait for nobody */
        else if (signals & SIGNAL_RELOAD)
            keeper_reload(keeper, LINK_TO_APPLY);
        if (waitpid(keeper->server, ret_status, WNOHANG) == keeper->server)
            return stopping;
        if (!stopping)
            keeper_reload_look(keeper);
        wait_for_news(keeper, open);
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

/* A pause between starts; what is told meanwhile. A stop ends it, a child's end that was not yet told does not. */
static unsigned pause_ms(int64_t ms, const sigset_t *open)
{
    int64_t end_ms = clock_steady_ms() + ms, left_ms = ms;
    unsigned signals = 0;

    for (; left_ms > 0 && !(signals & SIGNAL_STOP); left_ms = end_ms - clock_steady_ms()) {
        struct timespec time = {.tv_sec = left_ms / 1000, .tv_nsec = (left_ms % 1000) * 1000000};
        pselect(0, NULL, NULL, NULL, &time, open);
        signals |= signal_take();
    }
    return signals;
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
static bool keep_one(struct keeper *keeper, const sigset_t *open, _Atomic bool *ever_ready, int *ret_status)
{
    pid_t parent = getpid();
    int ends[2] = {-1, -1};
    int error = link_create(ends);
    keeper->server = error ? -1 : fork();

    if (keeper->server == 0) {
        close(ends[0]);
        be_the_server(keeper, parent, ends[1], open, ever_ready);
    }
    close(ends[1]);
    keeper->link = ends[0];
    if (keeper->server < 0) {
        log_error("the server cannot be forked", LOG_Z("reason", strerror(errno)));
        close(ends[0]);
        keeper->link = -1;
        return false;
    }
    bool stopping = watch(keeper, open, ret_status);
    keeper_reload_forget(keeper);
    if (keeper->link >= 0)
        close(keeper->link);
    keeper->link = -1;
    keeper->server = 0;
    bool refused = WIFEXITED(*ret_status) && WEXITSTATUS(*ret_status) == SERVER_EXIT_NOT_STARTED;
    return stopping || (refused && !atomic_load(ever_ready));
}

static int keep(struct keeper *keeper, const sigset_t *open, _Atomic bool *ever_ready)
{
    int64_t wait_ms = 0;

    for (;;) {
        int64_t began_ms = clock_steady_ms();
        int status = NOT_FORKED;
        if (keep_one(keeper, open, ever_ready, &status))
            return exit_code_of(status);
        if (clock_steady_ms() - began_ms >= LIVED_WELL_MS)
            wait_ms = 0;
        if (status != NOT_FORKED)
            log_death(status, wait_ms);
        unsigned signals = pause_ms(wait_ms, open);
        wait_ms = longer(wait_ms);
        keeper->again |= (signals & SIGNAL_RELOAD) != 0;
        if (signals & SIGNAL_STOP)
            return SERVER_EXIT_STOPPED;
    }
}

int keeper_run(struct keeper *keeper)
{
    sigset_t open;
    /* Shared with the servers: whether one was ever ready. One that never was is not tried again. */
    _Atomic bool *ever_ready =
        mmap(NULL, sizeof(*ever_ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (ever_ready == MAP_FAILED)
        return SERVER_EXIT_NOT_STARTED;
    logs_keep(config_of(keeper));
    take_signals(&open);
    int code = keep(keeper, &open, ever_ready);
    keeper_reload_stop(keeper);
    sigprocmask(SIG_SETMASK, &open, NULL);
    munmap(ever_ready, sizeof(*ever_ready));
    return code;
}
