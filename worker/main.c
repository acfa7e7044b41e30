/* ballast-worker: the demo worker, a real HTTP/1.1 server on Ballast's own lower floors.
 *
 * One thread and one loop for all its ports. It is what tests put behind the balancer (its options make every odd
 * worker they need) and what the bench loads, so it must be much cheaper than what is measured.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/err.h"
#include "io/io_epoll.h"
#include "worker/body.h"
#include "worker/client.h"
#include "worker/port.h"

enum { CLIENTS_MAX = 1000000, CLIENTS_KEPT = 4096, TURN_MAX_MS = 60000 };

static volatile sig_atomic_t stop_wanted;
static volatile sig_atomic_t health_switches;
static struct io *signal_io;

static void on_stop(int number)
{
    (void)number;
    stop_wanted = 1;
    io_wake(signal_io);
}

static void on_switch_health(int number)
{
    (void)number;
    health_switches++;
    io_wake(signal_io);
}

static void catch_signals(struct io *io)
{
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    struct sigaction health = {.sa_handler = on_switch_health, .sa_flags = SA_RESTART};
    signal_io = io;
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGUSR1, &health, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void on_wake(void *context)
{
    struct service *service = context;
    static sig_atomic_t seen;
    for (; seen != health_switches; seen++)
        service->health_status = service->health_status == 200 ? 503 : 200;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void say_listen_failure(const struct settings *settings, int64_t index, int code)
{
    if (code == -ERR_NAME_NOT_FOUND || code == -ERR_BAD_ADDRESS)
        fprintf(stderr, "ballast-worker: --bind %s is not an address of this machine\n", settings->bind);
    else if (code == -ERR_ADDRESS_IN_USE)
        fprintf(stderr, "ballast-worker: port %s is already in use; choose another with --port\n",
                settings->ports[index]);
    else
        fprintf(stderr, "ballast-worker: cannot listen on port %s: %s\n", settings->ports[index], err_sentence(code));
}

static int start_ports(struct service *service, struct port *ports, int64_t *ret_started)
{
    const struct settings *settings = service->settings;
    for (int64_t i = 0; i < settings->port_count; i++) {
        int result = port_start(&ports[i], service, i);
        if (result < 0) {
            say_listen_failure(settings, i, result);
            return result;
        }
        *ret_started = i + 1;
        printf("worker %.*s listening on %s:%u\n", STR_ARG(ports[i].name), settings->bind, ports[i].number);
    }
    (void)fflush(stdout);
    return 0;
}

static void end_all(struct service *service, struct port *ports, int64_t started)
{
    service->stopping = true;
    for (int64_t i = 0; i < started; i++)
        port_stop(&ports[i]);
    for (struct list *link = service->open.next; link != &service->open; link = link->next)
        client_stop(CONTAINER_OF(link, struct client, link));
    while (!list_empty(&service->open))
        io_turn(service->io, 0);
    /* Once more for the ports' own completions and the last reaps. */
    io_turn(service->io, 0);
    io_turn(service->io, 0);
}

static int serve(struct service *service)
{
    int64_t started = 0;
    /* start-up only: as many ports as were asked for */
    struct port *ports = calloc((size_t)service->settings->port_count, sizeof *ports);
    if (ports == NULL)
        return -ERR_NO_MEMORY;
    int result = start_ports(service, ports, &started);
    while (result == 0 && !stop_wanted)
        io_turn(service->io, TURN_MAX_MS);
    end_all(service, ports, started);
    free(ports);
    return result;
}

static int run(const struct settings *settings)
{
    static struct service service;
    static struct buf_pool buffers;
    struct io_options options = {.backend = &io_epoll_backend,
                                 .buffers = &buffers,
                                 .max_sockets = 65536,
                                 .on_wake = on_wake,
                                 .context = &service};
    service =
        (struct service){.settings = settings, .buffers = &buffers, .health_status = (int)settings->health_status};
    raise_descriptor_limit();
    body_make_pattern();
    list_init(&service.open);
    slab_init(&service.clients, sizeof(struct client), CLIENTS_MAX, CLIENTS_KEPT);
    buf_pool_init(&buffers, (size_t)1 << 30);
    int result = io_create(&options, &service.io);
    if (result < 0) {
        fprintf(stderr, "ballast-worker: cannot start: %s\n", err_sentence(result));
        return 1;
    }
    catch_signals(service.io);
    result = serve(&service);
    io_destroy(&service.io);
    slab_fini(&service.clients);
    buf_pool_fini(&buffers);
    return result < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct settings settings;
    char why[SETTINGS_WHY_BYTES];
    if (settings_parse(&settings, argc, argv, why) < 0) {
        fprintf(stderr, "ballast-worker: %s\n", why);
        return 1;
    }
    if (settings.help) {
        settings_print_help(stdout);
        return 0;
    }
    if (settings.version) {
        puts("ballast-worker " BALLAST_VERSION);
        return 0;
    }
    return run(&settings);
}
