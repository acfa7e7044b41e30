/* The simulated net: its time, its events, its connections.
 *
 * Owns every connection, listener and event of one net; the backend and the scripts ask it to send, read and close,
 * and are poked when something arrived. One thread. Everything that crosses from one end to the other is an event with
 * a time, also when that time is now, so that order never depends on who happened to be called first.
 */
#include "tests/sim/io_sim_net.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "io/io_backend.h"
#include "io/sock.h"

#define START_NS  INT64_C(1000000000000)
#define WALL_NS   INT64_C(1767225600000000000) /* 2026-01-01 */
#define NS_PER_MS INT64_C(1000000)

enum { FD_BASE = 1 << 20, FIRST_PORT = 20000 };

struct sim_event {
    struct list link;
    struct io_sim_net *net;
    struct sim_end *to;
    int64_t due_ns;
    size_t n;
    enum sim_event_kind kind;
    struct sockaddr_storage address;
    io_sim_timer_fn fn; /* TIMER, which has no `to` */
    void *context;
};

static struct io_sim_net *current;

static int64_t sim_clock(enum clock_kind kind)
{
    return kind == CLOCK_KIND_WALL ? WALL_NS + current->wall_offset_ns + current->now_ns : current->now_ns;
}

struct io_sim_net *sim_net_current(void)
{
    return current;
}

void *sim_take(size_t n)
{
    enum { ALIGNED = 16 };
    size_t whole = (n + ALIGNED - 1) / ALIGNED * ALIGNED;
    void *memory = aligned_alloc(ALIGNED, whole);
    ASSERT(memory != NULL);
    memset(memory, 0, whole);
    return memory;
}

struct io_sim_net *io_sim_net_create(uint64_t seed)
{
    ASSERT(current == NULL);
    struct io_sim_net *net = sim_take(sizeof(*net));
    net->limits = (struct io_sim_limits){.buffer_bytes = 256 * 1024, .segment_bytes = 64 * 1024, .backlog = 128};
    rand_seed(&net->rand, seed);
    net->now_ns = START_NS;
    net->next_port = FIRST_PORT;
    list_init(&net->loops);
    list_init(&net->listeners);
    list_init(&net->events);
    current = net;
    clock_set_source(sim_clock);
    return net;
}

static void link_unref(struct sim_link *pair)
{
    ASSERT(pair->refs > 0);
    if (--pair->refs > 0)
        return;
    sim_bytes_free(&pair->ends[0].in);
    sim_bytes_free(&pair->ends[1].in);
    free(pair);
}

static void event_free(struct sim_event *event)
{
    if (event->to != NULL)
        link_unref(event->to->pair);
    free(event);
}

void io_sim_net_destroy(struct io_sim_net **net)
{
    struct io_sim_net *self = *net;
    struct list *link;
    ASSERT(list_empty(&self->loops));
    ASSERT(list_empty(&self->listeners));
    ASSERT(self->open_ends == 0);
    while ((link = list_pop(&self->events)) != NULL) {
        event_free(CONTAINER_OF(link, struct sim_event, link));
    }
    free(self->fds);
    clock_set_source(NULL);
    current = NULL;
    free(self);
    *net = NULL;
}

struct io_sim_limits *io_sim_limits(struct io_sim_net *net)
{
    return &net->limits;
}

int64_t io_sim_now_ns(const struct io_sim_net *net)
{
    return net->now_ns;
}

uint64_t io_sim_digest(const struct io_sim_net *net)
{
    return net->digest;
}

static void digest_word(struct io_sim_net *net, uint64_t word)
{
    net->digest = (net->digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    net->digest ^= net->digest >> 29;
}

static void digest_bytes(struct io_sim_net *net, const char *bytes, size_t n)
{
    uint64_t word = n;
    for (; n >= sizeof(word); bytes += sizeof(word), n -= sizeof(word)) {
        digest_word(net, word);
        memcpy(&word, bytes, sizeof(word));
    }
    digest_word(net, word);
    word = 0;
    memcpy(&word, bytes, n);
    digest_word(net, word);
}

uint32_t io_sim_open_count(const struct io_sim_net *net)
{
    uint32_t count = net->open_ends;
    LIST_FOREACH (node, &net->listeners)
        count++;
    return count;
}

struct sockaddr_storage io_sim_address(struct io_sim_net *net)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(net->next_port++)};
    struct sockaddr_storage storage;
    memset(&storage, 0, sizeof(storage));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&storage, &in, sizeof(in));
    return storage;
}

/* ---- Bytes ---- */

void sim_bytes_append(struct sim_bytes *bytes, const void *from, size_t n)
{
    if (bytes->head + bytes->n + n > bytes->cap) {
        size_t cap = 2 * (bytes->n + n);
        char *p = sim_take(cap);
        if (bytes->n > 0)
            memcpy(p, bytes->p + bytes->head, bytes->n);
        free(bytes->p);
        bytes->p = p;
        bytes->head = 0;
        bytes->cap = cap;
    }
    if (n > 0)
        memcpy(bytes->p + bytes->head + bytes->n, from, n);
    bytes->n += n;
}

void sim_bytes_drop(struct sim_bytes *bytes, size_t n)
{
    ASSERT(n <= bytes->n);
    bytes->head += n;
    bytes->n -= n;
    if (bytes->n == 0)
        bytes->head = 0;
}

void sim_bytes_free(struct sim_bytes *bytes)
{
    free(bytes->p);
    *bytes = (struct sim_bytes){.p = NULL};
}

/* ---- Descriptors ---- */

int sim_fd_take(struct io_sim_net *net, enum sim_fd_kind kind, void *object)
{
    int place = 0;
    while (place < net->fd_count && net->fds[place].kind != SIM_FD_FREE)
        place++;
    if (place == net->fd_count) {
        int count = net->fd_count == 0 ? 64 : 2 * net->fd_count;
        struct sim_fd *fds = sim_take((size_t)count * sizeof(*fds));
        if (net->fd_count > 0)
            memcpy(fds, net->fds, (size_t)net->fd_count * sizeof(*fds));
        free(net->fds);
        net->fds = fds;
        net->fd_count = count;
    }
    net->fds[place] = (struct sim_fd){.kind = kind, .object = object};
    return FD_BASE + place;
}

enum sim_fd_kind sim_fd_kind(struct io_sim_net *net, int fd)
{
    ASSERT(fd >= FD_BASE && fd < FD_BASE + net->fd_count);
    return net->fds[fd - FD_BASE].kind;
}

void *sim_fd_find(struct io_sim_net *net, int fd, enum sim_fd_kind kind)
{
    ASSERT(sim_fd_kind(net, fd) == kind);
    return net->fds[fd - FD_BASE].object;
}

void sim_fd_give(struct io_sim_net *net, int fd)
{
    ASSERT(sim_fd_kind(net, fd) != SIM_FD_FREE);
    net->fds[fd - FD_BASE].kind = SIM_FD_FREE;
}

/* ---- Events ---- */

static void event_insert(struct io_sim_net *net, struct sim_event *event)
{
    struct list *place = &net->events;
    while (place->prev != &net->events && CONTAINER_OF(place->prev, struct sim_event, link)->due_ns > event->due_ns)
        place = place->prev;
    list_insert_before(place, &event->link);
}

void io_sim_after(struct io_sim_net *net, int64_t delay_ns, io_sim_timer_fn fn, void *context)
{
    struct sim_event *event = sim_take(sizeof(*event));
    list_init(&event->link);
    event->net = net;
    event->kind = SIM_TIMER;
    event->due_ns = net->now_ns + delay_ns;
    event->fn = fn;
    event->context = context;
    event_insert(net, event);
}

static struct sim_event *event_post(struct sim_end *to, enum sim_event_kind kind, size_t n)
{
    struct io_sim_net *net = to->net;
    struct sim_event *event = sim_take(sizeof(*event));
    list_init(&event->link);
    event->net = net;
    event->to = to;
    event->kind = kind;
    event->n = n;
    event->due_ns = net->now_ns + net->limits.delay_ns;
    if (net->limits.jitter_ns > 0)
        event->due_ns += (int64_t)rand_below(&net->rand, (uint64_t)net->limits.jitter_ns + 1);
    if (event->due_ns < to->last_arrival_ns)
        event->due_ns = to->last_arrival_ns;
    to->last_arrival_ns = event->due_ns;
    to->pair->refs++;
    event_insert(net, event);
    return event;
}

static void end_poke(struct sim_end *end)
{
    if (end->sock != NULL)
        sim_sock_poke(end);
    else if (end->script != NULL)
        sim_peer_poke(end->script);
}

static struct sim_listener *listener_find(struct io_sim_net *net, const struct sockaddr_storage *address)
{
    LIST_FOREACH (node, &net->listeners) {
        struct sim_listener *listener = CONTAINER_OF(node, struct sim_listener, link);
        if (sock_addr_equal(&listener->address, address) && listener->waiting < net->limits.backlog) {
            list_remove(&listener->link); /* to the end: those that share an address take turns */
            list_append(&net->listeners, &listener->link);
            return listener;
        }
    }
    return NULL;
}

/* Where an address stands among the dark ones, or their count. */
static int dark_place(const struct io_sim_net *net, const struct sockaddr_storage *address)
{
    int place = 0;
    while (place < net->dark_count && !sock_addr_equal(&net->dark[place], address))
        place++;
    return place;
}

void io_sim_dark(struct io_sim_net *net, const struct sockaddr_storage *address, bool dark)
{
    int place = dark_place(net, address);
    bool was_dark = place < net->dark_count;
    if (dark && !was_dark) {
        ASSERT(net->dark_count < SIM_DARK_MAX);
        net->dark[net->dark_count++] = *address;
    } else if (!dark && was_dark) {
        net->dark[place] = net->dark[--net->dark_count];
    }
}

void io_sim_wall_jump(struct io_sim_net *net, int64_t ns)
{
    net->wall_offset_ns += ns;
}

static void on_syn(struct sim_event *event)
{
    struct io_sim_net *net = event->net;
    struct sim_end *end = event->to;
    if (!end->peer->open || dark_place(net, &event->address) < net->dark_count)
        return;
    struct sim_listener *listener = listener_find(net, &event->address);
    if (listener == NULL) {
        event_post(end->peer, SIM_REFUSED, 0);
        return;
    }
    end->open = true;
    end->connected = true;
    end->pair->refs++;
    net->open_ends++;
    list_append(&listener->backlog, &end->link);
    listener->waiting++;
    event_post(end->peer, SIM_SYN_ACK, 0);
    if (listener->scripted)
        sim_peer_accept_poke(listener);
    else
        sim_accept_poke(listener);
}

static void on_reset(struct sim_end *end)
{
    /* What was there may still be read; what was on its way is lost. */
    end->in.n = end->arrived;
    end->reset = true;
}

static void on_event_open(struct sim_event *event)
{
    struct sim_end *end = event->to;
    switch (event->kind) {
    case SIM_SYN_ACK: end->connected = true; break;
    case SIM_REFUSED: end->refused = true; break;
    case SIM_DATA:
        if (!end->reset)
            end->arrived += event->n;
        break;
    case SIM_FIN: end->ended = true; break;
    case SIM_RST: on_reset(end); break;
    case SIM_WINDOW:
    case SIM_TIMER:
    case SIM_SYN: break;
    }
    if (end->sock != NULL && (end->ended || end->reset))
        end->sock->peer_ended = true;
    if (end->sock != NULL && end->reset)
        io_note_broken(end->sock);
    end_poke(end);
}

static void event_run(struct sim_event *event)
{
    struct sim_end *end = event->to;
    digest_word(event->net, (uint64_t)event->kind << 56 ^ (uint64_t)event->due_ns);
    if (end != NULL)
        digest_word(event->net, (uint64_t)sock_addr_port(&end->address) << 32 ^ event->n);
    if (event->kind == SIM_TIMER)
        event->fn(event->context);
    else if (end->pair->dark)
        return;
    else if (event->kind == SIM_SYN)
        on_syn(event);
    else if (end->open)
        on_event_open(event);
    else if (event->kind == SIM_DATA && end->peer->open && !end->peer->reset)
        event_post(end->peer, SIM_RST, 0);
}

void sim_net_deliver(struct io_sim_net *net)
{
    ASSERT(!net->delivering);
    net->delivering = true;
    while (sim_net_next_ns(net) <= net->now_ns) {
        struct sim_event *event = CONTAINER_OF(list_pop(&net->events), struct sim_event, link);
        event_run(event);
        event_free(event);
    }
    net->delivering = false;
}

int64_t sim_net_next_ns(const struct io_sim_net *net)
{
    if (list_empty(&net->events))
        return INT64_MAX;
    return CONTAINER_OF(net->events.next, struct sim_event, link)->due_ns;
}

/* ---- Connections ---- */

static void end_init(struct sim_end *end, struct sim_link *pair, struct io_sim_net *net, struct sim_end *peer)
{
    list_init(&end->link);
    end->net = net;
    end->pair = pair;
    end->peer = peer;
    end->fd = -1;
    end->address = io_sim_address(net);
}

struct sim_end *sim_end_create(struct io_sim_net *net)
{
    struct sim_link *pair = sim_take(sizeof(*pair));
    end_init(&pair->ends[0], pair, net, &pair->ends[1]);
    end_init(&pair->ends[1], pair, net, &pair->ends[0]);
    pair->ends[0].open = true;
    pair->refs = 1;
    net->open_ends++;
    return &pair->ends[0];
}

void sim_end_join(struct sim_end *end)
{
    end->connected = true;
    end->peer->connected = true;
    end->peer->open = true;
    end->pair->refs++;
    end->net->open_ends++;
}

void sim_end_connect(struct sim_end *end, const struct sockaddr_storage *to)
{
    struct sim_event *event = event_post(end->peer, SIM_SYN, 0);
    event->address = *to;
    end->peer->address = *to;
}

size_t sim_end_room(const struct sim_end *end)
{
    size_t limit = end->net->limits.buffer_bytes;
    size_t used = end->peer->in.n;
    return used < limit ? limit - used : 0;
}

size_t sim_end_send(struct sim_end *end, const void *bytes, size_t n)
{
    size_t room = sim_end_room(end);
    if (n > room) {
        end->blocked = true;
        n = room;
    }
    if (n == 0)
        return 0;
    digest_bytes(end->net, bytes, n);
    sim_bytes_append(&end->peer->in, bytes, n);
    event_post(end->peer, SIM_DATA, n);
    return n;
}

size_t sim_end_read(struct sim_end *end, void *out, size_t n)
{
    if (n > end->arrived)
        n = end->arrived;
    if (n == 0)
        return 0;
    memcpy(out, end->in.p + end->in.head, n);
    sim_bytes_drop(&end->in, n);
    end->arrived -= n;
    if (end->peer->blocked) {
        end->peer->blocked = false;
        event_post(end->peer, SIM_WINDOW, 0);
    }
    return n;
}

void sim_end_shutdown(struct sim_end *end)
{
    if (end->fin_sent || !end->connected)
        return;
    end->fin_sent = true;
    event_post(end->peer, SIM_FIN, 0);
}

void sim_end_close(struct sim_end *end, bool reset)
{
    struct io_sim_net *net = end->net;
    ASSERT(end->open);
    if (end->connected && !end->reset) {
        if (reset || end->arrived > 0) /* unread bytes: the system resets too */
            event_post(end->peer, SIM_RST, 0);
        else
            sim_end_shutdown(end);
    }
    if (end->fd >= 0)
        sim_fd_give(net, end->fd);
    end->fd = -1;
    end->open = false;
    end->sock = NULL;
    end->script = NULL;
    end->arrived = 0;
    sim_bytes_free(&end->in);
    net->open_ends--;
    link_unref(end->pair);
}

void sim_end_break(struct sim_end *end)
{
    event_post(end, SIM_RST, 0);
    event_post(end->peer, SIM_RST, 0);
}

/* ---- Listeners ---- */

struct sim_listener *sim_listener_create(struct io_sim_net *net, const struct sockaddr_storage *address)
{
    struct sim_listener *listener = sim_take(sizeof(*listener));
    listener->net = net;
    listener->address = *address;
    listener->fd = sim_fd_take(net, SIM_FD_LISTENER, listener);
    listener->refs = 1;
    list_init(&listener->link);
    list_init(&listener->backlog);
    list_append(&net->listeners, &listener->link);
    return listener;
}

int io_sim_listen(struct io_sim_net *net, const struct sockaddr_storage *address)
{
    return sim_listener_create(net, address)->fd;
}

int io_sim_listen_again(struct io_sim_net *net, int fd)
{
    struct sim_listener *listener = sim_fd_find(net, fd, SIM_FD_LISTENER);
    listener->refs++;
    return sim_fd_take(net, SIM_FD_LISTENER, listener);
}

void io_sim_unlisten(struct io_sim_net *net, int fd)
{
    sim_listener_close(sim_fd_find(net, fd, SIM_FD_LISTENER), fd, NULL);
}

struct sim_end *sim_listener_pop(struct sim_listener *listener)
{
    struct list *link = list_pop(&listener->backlog);
    if (link == NULL)
        return NULL;
    listener->waiting--;
    return CONTAINER_OF(link, struct sim_end, link);
}

void sim_listener_close(struct sim_listener *listener, int fd, const struct io_sock *sock)
{
    struct sim_end *end;
    for (int i = 0; i < SIM_SHARERS; i++)
        if (sock != NULL && listener->socks[i] == sock)
            listener->socks[i] = NULL;
    sim_fd_give(listener->net, fd);
    if (--listener->refs > 0)
        return;
    while ((end = sim_listener_pop(listener)) != NULL)
        sim_end_close(end, true);
    list_remove(&listener->link);
    free(listener);
}

/* ---- The scheduler ---- */

void sim_net_advance(struct io_sim_net *net, int64_t now_ns)
{
    ASSERT(now_ns >= net->now_ns);
    net->now_ns = now_ns;
    LIST_FOREACH (node, &net->loops) {
        CONTAINER_OF(node, struct sim_loop, link)->io->now_ns = now_ns;
    }
}

static bool loop_has_work(struct sim_loop *loop)
{
    struct io *io = loop->io;
    int64_t due_ms = timer_wheel_next(&io->wheel);
    return !list_empty(&io->completed) || !list_empty(&io->tasks) || !list_empty(&io->late) ||
           !list_empty(&io->reaps) || !list_empty(&loop->again) || io->woken ||
           (due_ms != TIMER_NEVER && due_ms * NS_PER_MS <= loop->net->now_ns);
}

bool io_sim_step(struct io_sim_net *net)
{
    bool busy = sim_net_next_ns(net) <= net->now_ns;
    sim_net_deliver(net);
    if (list_empty(&net->loops))
        return busy;
    /* Another loop goes first each time, as the seed says: no order between loops may be relied on. */
    if (rand_below(&net->rand, 2) == 0) {
        struct list *first = list_pop(&net->loops);
        list_append(&net->loops, first);
    }
    LIST_FOREACH (node, &net->loops) {
        struct sim_loop *loop = CONTAINER_OF(node, struct sim_loop, link);
        if (!loop_has_work(loop))
            continue;
        busy = true;
        if (net->limits.lazy_percent == 0 || rand_below(&net->rand, 100) >= net->limits.lazy_percent)
            io_turn(loop->io, 0);
    }
    return busy;
}

static int64_t next_ns(struct io_sim_net *net)
{
    int64_t next = sim_net_next_ns(net);
    LIST_FOREACH (node, &net->loops) {
        struct sim_loop *loop = CONTAINER_OF(node, struct sim_loop, link);
        int64_t due_ms = timer_wheel_next(&loop->io->wheel);
        if (due_ms != TIMER_NEVER && due_ms < next / NS_PER_MS)
            next = due_ms * NS_PER_MS;
    }
    return next;
}

bool io_sim_run(struct io_sim_net *net, io_sim_until_fn until, void *context, int64_t max_ms)
{
    int64_t end_ns = net->now_ns + max_ms * NS_PER_MS;
    for (;;) {
        if (until != NULL && until(context))
            return true;
        if (io_sim_step(net))
            continue;
        int64_t next = next_ns(net);
        if (next > end_ns) {
            sim_net_advance(net, end_ns);
            return until != NULL && until(context);
        }
        sim_net_advance(net, next);
    }
}
