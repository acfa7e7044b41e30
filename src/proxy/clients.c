/* Client connections come and go, speak and rest. What they ask is the exchange's. */
#include "proxy/clients.h"

struct client {
    struct seat seat; /* first; tag: the door, mark: the gate has counted it */
    struct clients *clients;
    struct list link; /* of clients->open */
    struct io_reap reap;
};

struct client_session {
    union client_door door; /* first */
    struct clients *clients;
    struct io_reap reap;
};

static struct clients *of_owner(struct session_owner *owner)
{
    return CONTAINER_OF(owner, struct clients, owner);
}

static struct client *of_seat(struct seat *seat)
{
    return CONTAINER_OF(seat, struct client, seat);
}

static struct session *session_on(const struct seat *seat)
{
    return seat->conn ? CONTAINER_OF(seat->conn, struct session, conn) : NULL;
}

static void count_one(struct clients *clients, uint64_t *counter)
{
    account_begin(clients->options.account);
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
    account_end(clients->options.account);
}

/* ---- leaving ---- */

static void free_session(struct io_reap *reap)
{
    struct client_session *session = CONTAINER_OF(reap, struct client_session, reap);

    slab_give(&session->clients->sessions, session);
}

static void drop_session(struct session *dropped)
{
    struct client_session *session = CONTAINER_OF(dropped, struct client_session, door.session);

    session->reap.reap = free_session;
    io_reap_queue(session->clients->options.io, &session->reap);
}

static void free_client(struct io_reap *reap)
{
    struct client *client = CONTAINER_OF(reap, struct client, reap);
    struct clients *clients = client->clients;

    slab_give(&clients->seats, client);
    clients->count--;
    clients->options.on_left(clients->options.context);
}

static void on_seat_closed(struct seat *seat)
{
    struct client *client = of_seat(seat);
    struct clients *clients = client->clients;

    list_remove(&client->link);
    if (seat->mark)
        gate_leave(clients->options.gate, &seat->peer.any);
    client->reap.reap = free_client;
    io_reap_queue(clients->options.io, &client->reap);
}

/* ---- speaking ---- */

static struct stream *on_open(struct session_owner *owner, struct session *session)
{
    struct clients *clients = of_owner(owner);

    rest_remove(&clients->rest, session);
    return clients->options.on_request(clients->options.context, session);
}

static void on_session_closed(struct session_owner *owner, struct session *session)
{
    rest_remove(&of_owner(owner)->rest, session);
    on_seat_closed(session->conn.seat);
    drop_session(session);
}

static void on_head_lost(struct session_owner *owner, int code)
{
    struct clients *clients = of_owner(owner);

    count_one(clients, &clients->options.account->totals.heads_lost);
}

/* ---- resting ---- */

static void on_idles(struct session_owner *owner, struct session *session)
{
    rest_add(&of_owner(owner)->rest, session);
}

void clients_rest(struct clients *clients)
{
    rest_run(&clients->rest, io_now_ms(clients->options.io));
}

static struct conn *on_stir(struct seat *seat, int result)
{
    struct clients *clients = of_seat(seat)->clients;
    struct client_session *session = result > 0 ? slab_take(&clients->sessions) : NULL;

    if (!session) {
        if (result > 0 || result == -ERR_NO_MEMORY)
            on_head_lost(&clients->owner, -ERR_NO_MEMORY);
        seat_close(seat);
        return NULL;
    }
    session->clients = clients;
    client_door_sit(&session->door, seat, &clients->options.entry, &clients->owner);
    return seat->conn;
}

static const struct seat_events seat_events = {on_stir, seat_linger, on_seat_closed};

/* ---- coming ---- */

/* Where the transport has something to do before the client speaks, a session is there from the beginning. */
static int start_whole(struct clients *clients, struct client *client, int fd, const struct sockaddr_storage *peer,
                       const struct transport_use *transport)
{
    struct client_session *session = slab_take(&clients->sessions);

    if (!session)
        return -ERR_FULL;
    session->clients = clients;
    int error = client_door_open(&session->door, &client->seat, clients->options.io, fd, peer, transport,
                                 &clients->options.entry, &clients->owner);
    if (error)
        slab_give(&clients->sessions, session);
    return error;
}

static int start_resting(struct clients *clients, struct client *client, int fd, const struct sockaddr_storage *peer)
{
    struct io *io = clients->options.io;
    int error = seat_accept(&client->seat, io, fd, peer);

    if (!error)
        io_timer_set(io, &client->seat.timer, io_now_ms(io) + clients->options.entry.h1->client_idle_ms);
    return error;
}

static int start(struct clients *clients, int fd, const struct sockaddr_storage *peer, const struct clients_way *way)
{
    const struct transport *transport = way->transport.transport;
    struct client *client = slab_take(&clients->seats);

    if (!client)
        return -ERR_FULL;
    client->clients = clients;
    list_init(&client->link);
    seat_init(&client->seat, &seat_events);
    client->seat.tag = way->door;
    client->seat.mark = clients->options.gate && !way->proxied;
    int error = !transport || transport->rises ? start_resting(clients, client, fd, peer)
                                               : start_whole(clients, client, fd, peer, &way->transport);
    if (error) {
        slab_give(&clients->seats, client);
        return error;
    }
    list_append(&clients->open, &client->link);
    clients->count++;
    return 0;
}

/* Who the client is must be settled. False, counted: it has too many connections. */
static bool enter_gate(struct clients *clients, const struct sockaddr *address)
{
    struct gate *gate = clients->options.gate;

    if (!gate || gate_enter(gate, address))
        return true;
    count_one(clients, &clients->options.account->totals.clients_turned_away);
    return false;
}

void clients_enter(struct clients *clients, int fd, const struct sockaddr_storage *peer, const struct clients_way *way)
{
    struct account_totals *totals = &clients->options.account->totals;
    const struct sockaddr *address = (const struct sockaddr *)peer;

    if (!way->proxied && !enter_gate(clients, address)) {
        io_discard(clients->options.io, fd);
        return;
    }
    int error = start(clients, fd, peer, way);
    if (error) {
        if (clients->options.gate && !way->proxied)
            gate_leave(clients->options.gate, address);
        io_discard(clients->options.io, fd);
    }
    count_one(clients, error ? &totals->accepts_refused : &totals->clients_accepted);
}

bool clients_admit(struct clients *clients, struct seat *seat)
{
    if (!enter_gate(clients, &seat->peer.any))
        return false;
    seat->mark = clients->options.gate != NULL;
    return true;
}

/* ---- life ---- */

void clients_init(struct clients *clients, const struct clients_options *options)
{
    *clients = (struct clients){.options = *options};
    clients->owner = (struct session_owner){
        .open = on_open, .closed = on_session_closed, .head_lost = on_head_lost, .idles = on_idles};
    list_init(&clients->open);
    rest_init(&clients->rest, drop_session);
    slab_init_blocks(&clients->seats, sizeof(struct client), options->most);
    /* Twice: what has rested is still there when the next byte makes another. */
    slab_init(&clients->sessions, sizeof(struct client_session), 2 * options->most, REST_WHOLE);
}

void clients_fini(struct clients *clients)
{
    slab_fini(&clients->seats);
    slab_fini(&clients->sessions);
}

/* What has come and was not looked at yet is answered, and the connection ends with that. */
static void drain_seat(struct seat *seat)
{
    struct session *session = session_on(seat);

    seat->leaving = true;
    if (session)
        session_drain(session);
    else if (seat_quiet(seat))
        seat_linger(seat);
}

void clients_drain(struct clients *clients)
{
    LIST_FOREACH_SAFE (link, &clients->open)
        drain_seat(&CONTAINER_OF(link, struct client, link)->seat);
}

void clients_retire(struct clients *clients)
{
    clients->owner.retiring = true;
    LIST_FOREACH_SAFE (link, &clients->open) {
        struct session *session = session_on(&CONTAINER_OF(link, struct client, link)->seat);
        if (session)
            session_retire(session);
    }
}

void clients_drain_of(struct clients *clients, uint32_t door)
{
    LIST_FOREACH_SAFE (link, &clients->open) {
        struct seat *seat = &CONTAINER_OF(link, struct client, link)->seat;
        if (seat->tag == door)
            drain_seat(seat);
    }
}

void clients_each(const struct clients *clients, clients_tell_fn tell, void *context)
{
    LIST_FOREACH (link, &clients->open) {
        const struct seat *seat = &CONTAINER_OF(link, struct client, link)->seat;
        struct session *session = session_on(seat);
        tell(context, seat, session && !session_idle(session));
    }
}
