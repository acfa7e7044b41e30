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
#include "main/keeper_upgrade.h"
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
    DEATHS_MOST = 3,       /* in a row of servers that did not; then what was changed at run time is dropped */
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

static int create_shared(struct keeper *keeper)
{
    int error = changes_memory_create(&keeper->memory);

    for (uint32_t i = 0; i < CONFIG_SLOTS && !error; i++)
        error = config_slot_create(&keeper->slots[i]);
    if (error)
        fprintf(stderr, "ballast: no memory can be shared with the server: %s\n", err_sentence(error));
    return error;
}

/* The one that the program before had, or another. */
static int take_admin(struct keeper *keeper, char why[ADMIN_SOCKET_WHY_MAX])
{
    const struct config_admin *admin = &config_of(keeper)->admin;
    const struct succession *inherited = &keeper->upgrade.inherited;

    keeper->admin_addr = admin->address.addr;
    if (inherited->admin_fd < 0 || !sock_addr_equal(&inherited->admin_addr.storage, &keeper->admin_addr.storage))
        return admin_socket_open(&admin->address, &keeper->admin_fd, why);
    keeper->admin_fd = inherited->admin_fd;
    return 0;
}

static int open_admin(struct keeper *keeper)
{
    const struct config_admin *admin = &config_of(keeper)->admin;
    char why[ADMIN_SOCKET_WHY_MAX], place[CONFIG_PLACE_MAX];
    int error = config_has_admin(config_of(keeper)) ? take_admin(keeper, why) : 0;

    if (!error && admin->token.n == 0 && admin_socket_needs_token(keeper->admin_fd)) {
        (void)snprintf(why, sizeof(why), "anybody who reaches it could ask; set a token, or hand over a Unix socket");
        error = -ERR_CONFIG;
    }
    if (error)
        fprintf(stderr, "ballast: %s: the administration API cannot listen on %.*s: %s.\n",
                config_place_print(place, &admin->place), STR_ARG(config_shown(admin->address.text)), why);
    return error;
}

static int open_sockets(struct keeper *keeper)
{
    const struct keeper_sockets *before = &keeper->upgrade.inherited.sockets;
    char why[KEEPER_WHY_MAX];
    int error = open_admin(keeper);

    if (error)
        return error;
    error = keeper_sockets_open(config_of(keeper), keeper->reactors, keeper->admin_fd, before, &keeper->sockets, why);
    if (error)
        fprintf(stderr, "ballast: %s.\n", why);
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
    int error = create_shared(keeper);

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
    succession_give_keys(&keeper->upgrade.inherited, config_of(keeper));
    if (!error && !keeper->rehearses)
        error = open_sockets(keeper);
    keeper->loaded = error == 0;
    return error;
}

int keeper_prepare(const char *path, const struct config_flags *flags, char *const *arguments,
                   struct keeper *ret_keeper)
{
    *ret_keeper = (struct keeper){.path = path, .flags = flags, .arguments = arguments, .admin_fd = -1, .link = -1};
    int error = keeper_upgrade_inherit(ret_keeper);

    if (!error)
        error = prepare(ret_keeper);
    if (error && !ret_keeper->rehearses && ret_keeper->upgrade.foreign) {
        log_error("the new program cannot take over: the server before goes on", LOG_Z("reason", err_reason(error)));
        return 0;
    }
    if (error)
        keeper_release(ret_keeper);
    return error;
}

void keeper_release(struct keeper *keeper)
{
    keeper_sockets_close(&keeper->sockets, NULL);
    keeper_upgrade_release(keeper);
    for (uint32_t i = 0; i < CONFIG_SLOTS; i++)
        config_slot_destroy(&keeper->slots[i]);
    changes_memory_destroy(&keeper->memory);
}

static int confine(void *context)
{
    return priv_finish(context);
}

static int run_server(struct keeper *keeper, enum signal_role role, int link, bool takes_over)
{
    struct server_options options = {
        .config = config_of(keeper),
        .role = role,
        .ready = keeper->ever_ready,
        .connections = keeper->connections,
        .reactors = keeper->reactors,
        .listen_fds = keeper->sockets.fds,
        .listeners = keeper->sockets.listeners,
        .listen_width = keeper->sockets.width,
        .link = link,
        .slots = keeper->slots,
        .memory = keeper->memory,
        .forgets = keeper->deaths > 0 && keeper->deaths % DEATHS_MOST == 0,
        .admin_fd = keeper->admin_fd,
        .before = takes_over ? keeper->upgrade.before : NULL,
        .told = takes_over ? keeper->upgrade.told : -1,
        .upgrade = keeper->upgrade.number,
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

    keeper->ever_ready = &ready;
    return run_server(keeper, SIGNAL_ALONE, -1, false);
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
_Noreturn static void be_the_server(struct keeper *keeper, pid_t parent, int link, bool takes_over)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    if (getppid() != parent || only_read(keeper))
        _exit(SERVER_EXIT_NOT_STARTED);
    keeper_sockets_disown(&keeper->sockets);
    keeper_upgrade_disown(keeper);
    signal(SIGCHLD, SIG_DFL);
    signal_take(); /* what came before the fork is the keeper's */
    signal_install(NULL, SIGNAL_KEPT);
    sigprocmask(SIG_SETMASK, keeper->open, NULL);
    int code = run_server(keeper, SIGNAL_KEPT, link, takes_over);
    keeper_release(keeper);
    exit(code);
}

bool keeper_start(struct keeper *keeper, bool takes_over, struct keeper_server *ret_server)
{
    pid_t parent = getpid();
    int ends[2] = {-1, -1};
    pid_t process = link_create(ends) ? -1 : fork();

    if (process == 0) {
        close(ends[0]);
        be_the_server(keeper, parent, ends[1], takes_over);
    }
    close(ends[1]);
    if (process < 0) {
        log_error("the server cannot be forked", LOG_Z("reason", strerror(errno)));
        close(ends[0]);
        return false;
    }
    *ret_server = (struct keeper_server){process, ends[0]};
    return true;
}

void keeper_tell(const struct keeper_server *server, const struct link_message *message)
{
    if (server->process <= 0 || server->link < 0 || link_send(server->link, message))
        return; /* it is dying: its end comes by a signal */
    kill(server->process, SIGHUP);
}

static void pass_on(pid_t server, unsigned signals)
{
    if (server <= 0)
        return;
    if (signals & SIGNAL_REOPEN_LOGS)
        kill(server, SIGUSR1);
    if (signals & SIGNAL_STOP_AGAIN)
        signal_pass_stop_again(server);
    else if (signals & SIGNAL_STOP)
        kill(server, SIGTERM);
}

static void hear_from(struct keeper *keeper, int *link)
{
    static struct link_message message;
    int heard = 0;

    while (*link >= 0 && (heard = link_receive(*link, &message)) > 0)
        if (!keeper_reload_hear(keeper, &message))
            keeper_upgrade_hear(keeper, &message);
    if (heard < 0) {
        close(*link);
        *link = -1;
    }
}

static void hear(struct keeper *keeper)
{
    hear_from(keeper, &keeper->link);
    hear_from(keeper, &keeper->upgrade.next.link);
    hear_from(keeper, &keeper->upgrade.old.link);
}

/* Signals are let in only while this waits, so that none can slip between looking and waiting. */
static void wait_for_news(const struct keeper *keeper)
{
    struct pollfd links[] = {{.fd = keeper->link, .events = POLLIN},
                             {.fd = keeper->upgrade.next.link, .events = POLLIN},
                             {.fd = keeper->upgrade.old.link, .events = POLLIN}};
    int64_t ms = keeper_upgrade_wait_ms(keeper);
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)!ppoll(links, ARRAY_SIZE(links), ms < 0 ? NULL : &time, keeper->open);
}

static void obey(struct keeper *keeper, unsigned signals, bool stopping)
{
    pass_on(keeper->server, signals);
    pass_on(keeper->upgrade.old.process, signals);
    if (stopping) {
        keeper_sockets_close(&keeper->sockets, NULL); /* who comes now is refused, and does not wait for nobody */
        keeper_upgrade_stop(keeper);
        return;
    }
    if (signals & SIGNAL_UPGRADE)
        keeper_upgrade(keeper);
    if (signals & SIGNAL_RELOAD)
        keeper_reload(keeper, LINK_TO_APPLY);
}

static void look_after_server(struct keeper *keeper, int *ret_status)
{
    if (keeper->server > 0 && waitpid(keeper->server, ret_status, WNOHANG) == keeper->server)
        keeper->server = 0;
}

/* Until the server's end, and that of one before it when all is to stop. True when it was told to stop. */
static bool watch(struct keeper *keeper, int *ret_status)
{
    bool stopping = false;

    for (;;) {
        unsigned signals = signal_take();
        stopping |= (signals & (SIGNAL_STOP | SIGNAL_STOP_AGAIN)) != 0;
        obey(keeper, signals, stopping);
        look_after_server(keeper, ret_status);
        if (!stopping) {
            hear(keeper);
            keeper_reload_look(keeper);
        }
        keeper_upgrade_look(keeper);
        if (!stopping && !keeper_upgrade_has_server(keeper))
            return false;
        if (stopping && keeper->server == 0 && keeper->upgrade.old.process == 0)
            return true;
        wait_for_news(keeper);
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
static bool keep_one(struct keeper *keeper, int *ret_status)
{
    struct keeper_server server;

    if (keeper->server == 0) { /* else it is the program before's */
        if (!keeper_start(keeper, false, &server))
            return false;
        keeper->server = server.process;
        keeper->link = server.link;
    }
    bool stopping = watch(keeper, ret_status);
    keeper_reload_forget(keeper);
    if (keeper->link >= 0)
        close(keeper->link);
    keeper->link = -1;
    bool refused = WIFEXITED(*ret_status) && WEXITSTATUS(*ret_status) == SERVER_EXIT_NOT_STARTED;
    return stopping || !keeper->loaded || (refused && !atomic_load(keeper->ever_ready));
}

static int keep(struct keeper *keeper)
{
    int64_t wait_ms = 0;

    for (;;) {
        int64_t began_ms = clock_steady_ms();
        int status = NOT_FORKED;
        if (keep_one(keeper, &status))
            return exit_code_of(status);
        bool lived_well = clock_steady_ms() - began_ms >= LIVED_WELL_MS;
        keeper->deaths = lived_well ? 0 : keeper->deaths + 1;
        if (lived_well)
            wait_ms = 0;
        if (status != NOT_FORKED)
            log_death(status, wait_ms);
        unsigned signals = pause_ms(wait_ms, keeper->open);
        wait_ms = longer(wait_ms);
        keeper->again |= (signals & SIGNAL_RELOAD) != 0;
        keeper->upgrade.again |= (signals & SIGNAL_UPGRADE) != 0;
        if (signals & SIGNAL_STOP)
            return SERVER_EXIT_STOPPED;
    }
}

int keeper_run(struct keeper *keeper)
{
    sigset_t open;
    _Atomic bool *ever_ready =
        mmap(NULL, sizeof(*ever_ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    /* One that never was ready is not tried again. */
    if (ever_ready == MAP_FAILED)
        return SERVER_EXIT_NOT_STARTED;
    atomic_store(ever_ready, keeper->upgrade.foreign);
    keeper->ever_ready = ever_ready;
    keeper->open = &open;
    if (keeper->loaded)
        logs_keep(config_of(keeper));
    take_signals(&open);
    if (keeper->upgrade.foreign)
        sigemptyset(&open); /* they were blocked before this program began */
    keeper_upgrade_begin(keeper);
    int code = keep(keeper);
    keeper_reload_stop(keeper);
    sigprocmask(SIG_SETMASK, &open, NULL);
    munmap(ever_ready, sizeof(*ever_ready));
    return code;
}
