/* Whom a reactor lets in: its listening sockets, clients that it passes on to others of its team or gets from them, and
 * what it does when there are no descriptors.
 *
 * The reactor's thread, but for reactor_door_make.
 */
#include "proxy/reactor_doors.h"

#include <stdlib.h>

enum { DOOR_KNOWN_MS = 1000 /* all reactors have long applied a change by then */ };

/* A client that another reactor has accepted. */
struct passed_on {
    int fd;
    uint32_t door;
    struct sockaddr_storage peer;
};

void reactor_doors_accept(struct reactor *reactor)
{
    bool room = !reactor->draining && !reactor->retiring && reactor->clients.count < reactor->options.connections;

    LIST_FOREACH_SAFE (link, &reactor->doors)
        listener_accept(&CONTAINER_OF(link, struct door, link)->listener, room);
}

void reactor_note_load(struct reactor *reactor)
{
    if (reactor->options.team)
        team_note(reactor->options.team, reactor->options.index,
                  reactor->draining || reactor->retiring ? TEAM_GONE : reactor->clients.count);
}

/* door: NULL when it is closed meanwhile. */
static void let_in(struct reactor *reactor, const struct door *door, int fd, const struct sockaddr_storage *peer)
{
    if (reactor->draining || !door) {
        reactor_count_one(reactor, &reactor->account.totals.accepts_refused);
        io_discard(reactor->io, fd);
        return;
    }
    clients_enter(&reactor->clients, fd, peer, &door->way);
    reactor_note_load(reactor);
    reactor_doors_accept(reactor);
}

/* To a reactor that has clearly fewer. False: it is to be served here. */
static bool pass_on(struct reactor *reactor, uint32_t door, int fd, const struct sockaddr_storage *peer)
{
    struct team *team = reactor->options.team;
    uint32_t at;
    struct reactor *other = team && !reactor->draining ? team_choose(team, reactor->options.index, &at) : NULL;
    struct passed_on *client = other ? malloc(sizeof(*client)) : NULL; /* not per request: a few connections */

    if (client) {
        *client = (struct passed_on){fd, door, *peer};
        if (mailbox_post(&other->mail, (struct mail){.kind = MAIL_CLIENT, .subject = client}) == 0) {
            reactor_count_one(reactor, &reactor->account.totals.clients_passed_on);
            io_wake(other->io);
            return true;
        }
    }
    if (other)
        team_arrived(team, at);
    free(client); /* not per request: see above */
    return false;
}

static void on_accepted(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct reactor *reactor = listener->owner;
    const struct door *door = CONTAINER_OF(listener, struct door, listener);

    bool known = io_now_ms(reactor->io) >= door->known_ms;

    if (!known || !pass_on(reactor, door->way.door, fd, peer))
        let_in(reactor, door, fd, peer);
}

static struct door *door_of(struct reactor *reactor, uint32_t id)
{
    LIST_FOREACH (link, &reactor->doors)
        if (CONTAINER_OF(link, struct door, link)->way.door == id)
            return CONTAINER_OF(link, struct door, link);
    return NULL;
}

void reactor_take_passed_on(struct reactor *reactor, struct passed_on *client)
{
    let_in(reactor, door_of(reactor, client->door), client->fd, &client->peer);
    team_arrived(reactor->options.team, reactor->options.index);
    free(client); /* not per request: see pass_on */
}

/* Descriptors are the process's: when this reactor has none to give back, others may. */
static void note_shortage(struct reactor *reactor)
{
    warm_pause(&reactor->warm);
    if (lease_book_yield(&reactor->leases, LEASE_YIELD) == 0 && reactor->options.team)
        team_note_shortage(reactor->options.team);
}

void reactor_heed_shortages(struct reactor *reactor)
{
    uint32_t said = reactor->options.team ? team_shortages(reactor->options.team) : 0;

    if (said == reactor->shortages)
        return;
    reactor->shortages = said;
    lease_book_yield(&reactor->leases, LEASE_YIELD);
    warm_pause(&reactor->warm);
}

static void on_refused(struct listener *listener, int error)
{
    struct reactor *reactor = listener->owner;

    reactor_count_one(reactor, &reactor->account.totals.accepts_refused);
    if (error == -ERR_NO_DESCRIPTORS)
        note_shortage(reactor);
}

static void on_listener_closed(struct listener *listener)
{
    struct reactor *reactor = listener->owner;

    reactor->doors_open--;
    free(CONTAINER_OF(listener, struct door, listener)); /* not per request: see reactor_door_make */
}

static const struct listener_events listener_events = {on_accepted, on_refused, on_listener_closed};

static void stop_door(struct door *door)
{
    list_remove(&door->link);
    listener_stop(&door->listener);
}

void reactor_doors_stop(struct reactor *reactor)
{
    LIST_FOREACH_SAFE (link, &reactor->doors)
        stop_door(CONTAINER_OF(link, struct door, link));
}

void reactor_door_close(struct reactor *reactor, uint32_t id)
{
    LIST_FOREACH_SAFE (link, &reactor->doors) {
        struct door *door = CONTAINER_OF(link, struct door, link);
        if (door->way.door == id)
            stop_door(door);
    }
    clients_drain_of(&reactor->clients, id);
}

static void fit_door(struct reactor *reactor, struct door *door)
{
    door->way.proxied = door->way.transport.transport == &transport_proxied;
    door->way.transport.room = door->way.proxied ? (void *)&reactor->proxied : &reactor->handshakes;
}

void reactor_door_change(struct reactor *reactor, const struct reactor_door *to)
{
    LIST_FOREACH_SAFE (link, &reactor->doors) {
        struct door *door = CONTAINER_OF(link, struct door, link);
        if (door->way.door != to->id)
            continue;
        door->way.transport = to->transport;
        fit_door(reactor, door);
    }
}

static int open_door(struct reactor *reactor, struct door *door, int fd)
{
    int error = listener_start(&door->listener, reactor->io, fd, &listener_events, reactor);

    if (error)
        return error;
    fit_door(reactor, door);
    list_append(&reactor->doors, &door->link);
    reactor->doors_open++;
    return 0;
}

void reactor_doors_open(struct reactor *reactor, struct list *doors, const int *fds)
{
    uint32_t at = 0;

    LIST_FOREACH_SAFE (link, doors) {
        int fd = fds[at++];
        list_remove(link);
        CONTAINER_OF(link, struct door, link)->known_ms = io_now_ms(reactor->io) + DOOR_KNOWN_MS;
        if (reactor->draining || open_door(reactor, CONTAINER_OF(link, struct door, link), fd)) {
            io_discard(reactor->io, fd);
            free(CONTAINER_OF(link, struct door, link)); /* not per request: see reactor_door_make */
        }
    }
}

struct door *reactor_door_make(const struct reactor_door *from)
{
    struct door *door = calloc(1, sizeof(*door)); /* not per request: one a listening socket */

    if (door) {
        door->way.door = from->id;
        door->way.transport = from->transport;
        list_init(&door->link);
    }
    return door;
}

static void stop_and_wait(struct reactor *reactor)
{
    reactor_doors_stop(reactor);
    while (reactor->doors_open > 0)
        io_turn(reactor->io, 0);
}

int reactor_doors_start(struct reactor *reactor)
{
    int error = 0;

    for (uint32_t i = 0; i < reactor->options.door_count && !error; i++) {
        struct door *door = reactor_door_make(&reactor->options.doors[i]);
        error = door ? open_door(reactor, door, reactor->options.doors[i].fd) : -ERR_NO_MEMORY;
        if (error)
            free(door); /* start-up only: see reactor_door_make */
    }
    if (error)
        stop_and_wait(reactor);
    else
        reactor_doors_accept(reactor);
    return error;
}
