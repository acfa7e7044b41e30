/* For someone with five minutes: everything runs, and the screen says what to try. The workers are real ones, the
 * program ballast-worker that stands beside this one, on ports from 3001 on. */
#include "main/demo.h"

#include <libgen.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rand.h"
#include "control/config_print.h"
#include "io/sock.h"
#include "main/keeper.h"

enum {
    WORKER_PORT = 3001,
    WORKERS_MAX = 64,
    FALLBACK_PORT = 8080,
    ADDRESS_BYTES = 32,
    TOKEN_BYTES = 16,
    ADMIN_PORTS = 20,
    WORKER_LOOKS = 500,
    WORKER_LOOK_MS = 10
};

struct demo {
    uint32_t workers;
    pid_t pids[WORKERS_MAX];
    char addresses[WORKERS_MAX][ADDRESS_BYTES];
    const char *worker_flags[WORKERS_MAX];
    char listen[ADDRESS_BYTES];
    const char *listen_flags[1];
    uint32_t port;
    uint32_t admin_port; /* of the dashboard; 0: none */
    char admin[ADDRESS_BYTES], token[TOKEN_BYTES + 1];
};

/* Could somebody listen there now? 0 or a code. */
static int check_port(const char *host, uint32_t port)
{
    char text[ADDRESS_BYTES];
    struct sock_name name;
    struct sock_addr addr;
    const char *why;

    snprintf(text, sizeof(text), "%s:%u", host, port);
    int error = sock_name_parse(str_of(text), STR(""), &name, &why);
    if (!error)
        error = sock_addr_numeric(&name, &addr);
    return error ? error : sock_check_free(&addr);
}

static void choose_port(struct demo *demo, const struct options *options)
{
    demo->port = options->demo_port ? options->demo_port : 80;
    int error = options->demo_port ? 0 : check_port("0.0.0.0", demo->port);
    if (error) {
        printf("Port 80 cannot be had (%s): port %d is used instead.\n", err_reason(error), FALLBACK_PORT);
        demo->port = FALLBACK_PORT;
    }
    snprintf(demo->listen, sizeof(demo->listen), "0.0.0.0:%u", demo->port);
    demo->listen_flags[0] = demo->listen;
}

/* The dashboard's port is the first free one above the balancer's; its token is good for this run. */
static void choose_admin(struct demo *demo, const struct options *options)
{
    struct rand_gen rand;

    for (uint32_t port = demo->port + 1; port <= demo->port + ADMIN_PORTS && port <= UINT16_MAX; port++)
        if (!options->flags.admin && !demo->admin_port && check_port("127.0.0.1", port) == 0)
            demo->admin_port = port;
    rand_init(&rand);
    snprintf(demo->admin, sizeof(demo->admin), "127.0.0.1:%u", demo->admin_port);
    snprintf(demo->token, sizeof(demo->token), "%016llx", (unsigned long long)rand_u64(&rand));
}

static int find_worker_program(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (n <= 0)
        return -ERR_SYSTEM;
    path[n] = 0;
    size_t directory = strlen(dirname(path));
    if (directory + sizeof("/ballast-worker") > PATH_MAX)
        return -ERR_SYSTEM;
    memcpy(path + directory, "/ballast-worker", sizeof("/ballast-worker"));
    if (access(path, X_OK) == 0)
        return 0;
    fprintf(stderr, "ballast: the demo worker is missing: %s (./dev build makes it).\n", path);
    return -ERR_SYSTEM;
}

/* A worker has its own process group: an interrupt at the terminal is for the balancer, which drains first. */
static pid_t start_worker(const char *program, uint32_t port)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    char number[16];
    snprintf(number, sizeof(number), "%u", port);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    if (getppid() == parent)
        execl(program, "ballast-worker", "--port", number, (char *)NULL);
    _exit(127);
}

static bool listens(uint32_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return connected;
}

/* So that the first requests find every worker. */
static int await_worker(uint32_t port, pid_t pid)
{
    for (int look = 0; look < WORKER_LOOKS; look++) {
        if (listens(port))
            return 0;
        if (waitpid(pid, NULL, WNOHANG) == pid)
            break;
        poll(NULL, 0, WORKER_LOOK_MS);
    }
    fprintf(stderr, "ballast: demo worker %u does not start: what it said stands above.\n", port);
    return -ERR_SYSTEM;
}

static int start_workers(struct demo *demo)
{
    char program[PATH_MAX];
    int error = find_worker_program(program);

    for (uint32_t i = 0; i < demo->workers && !error; i++) {
        uint32_t port = WORKER_PORT + i;
        error = check_port("127.0.0.1", port);
        if (error)
            fprintf(stderr,
                    "ballast: demo worker %u cannot listen on 127.0.0.1:%u: the port is in use (%s), so stop what "
                    "listens there.\n",
                    i + 1, port, err_reason(error));
    }
    for (uint32_t i = 0; i < demo->workers && !error; i++) {
        snprintf(demo->addresses[i], ADDRESS_BYTES, "127.0.0.1:%u", WORKER_PORT + i);
        demo->worker_flags[i] = demo->addresses[i];
        demo->pids[i] = start_worker(program, WORKER_PORT + i);
        error = demo->pids[i] < 0 ? -ERR_SYSTEM : 0;
    }
    for (uint32_t i = 0; i < demo->workers && !error; i++)
        error = await_worker(WORKER_PORT + i, demo->pids[i]);
    return error;
}

static void stop_workers(const struct demo *demo)
{
    for (uint32_t i = 0; i < demo->workers; i++)
        if (demo->pids[i] > 0)
            kill(demo->pids[i], SIGTERM);
    for (uint32_t i = 0; i < demo->workers; i++)
        if (demo->pids[i] > 0)
            waitpid(demo->pids[i], NULL, 0);
}

static void say_what_to_try(const struct demo *demo)
{
    char port[16] = "";

    if (demo->port != 80)
        snprintf(port, sizeof(port), ":%u", demo->port);
    printf("\nBallast balances http://localhost%s/ over %u demo workers (ports %d to %u). Try, in another terminal:\n\n"
           "  curl http://localhost%s/            three times: the workers take turns\n"
           "  curl http://localhost%s/metrics     the numbers\n"
           "  kill %-6d                         stops worker %d: no request fails, and soon it gets none\n"
           "  ./dev worker %d                   starts it again: soon it gets its share\n\n",
           port, demo->workers, WORKER_PORT, WORKER_PORT + demo->workers - 1, port, port,
           (int)demo->pids[demo->workers > 1 ? 1 : 0], WORKER_PORT + (demo->workers > 1),
           WORKER_PORT + (demo->workers > 1));
    if (demo->admin_port)
        printf("The dashboard: http://%s/#token=%s\n\n", demo->admin, demo->token);
    printf("Ctrl-C stops everything. Requests are listed below as they end.\n\n");
    fflush(stdout);
}

static int balance(struct demo *demo, const struct options *options)
{
    struct config_flags flags = options->flags;
    static struct keeper keeper;

    flags.listen = demo->listen_flags;
    flags.listen_count = 1;
    flags.worker = demo->worker_flags;
    flags.worker_count = demo->workers;
    if (!flags.access_log)
        flags.access_log = "-";
    if (demo->admin_port) {
        flags.admin = demo->admin;
        flags.admin_token = demo->token;
        flags.admin_write = "true";
    }
    if (keeper_prepare(NULL, &flags, NULL, &keeper))
        return SERVER_EXIT_NOT_STARTED;
    say_what_to_try(demo);
    int code = keeper_run(&keeper);
    keeper_release(&keeper);
    return code;
}

int demo_run(const struct options *options)
{
    struct demo demo = {.workers = options->demo_workers};

    ASSERT(demo.workers <= WORKERS_MAX);
    choose_port(&demo, options);
    choose_admin(&demo, options);
    int code = SERVER_EXIT_NOT_STARTED;
    if (start_workers(&demo) == 0)
        code = balance(&demo, options);
    stop_workers(&demo);
    return code;
}
