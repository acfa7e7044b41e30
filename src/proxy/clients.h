/* A reactor's client connections: those that speak have a session, those that wait have a seat alone (http/rest).
 *
 * Owned by the reactor, on its thread.
 */
#ifndef PROXY_CLIENTS_H
#define PROXY_CLIENTS_H

#include "base/slab.h"
#include "http/client_door.h"
#include "http/rest.h"
#include "proxy/account.h"
#include "proxy/gate.h"

struct clients_options {
    struct io *io;
    struct client_door_options entry;
    size_t most;
    struct gate *gate; /* NULL: no limit for one client */
    struct account *account;
    struct stream *(*on_request)(void *context, struct session *session);
    void (*on_left)(void *context); /* one fewer is there */
    void *context;
};

/* How a client came in. */
struct clients_way {
    struct transport_use transport;
    uint32_t door;
    bool proxied; /* who it is is told by another proxy, later */
};

struct clients {
    struct session_owner owner; /* first */
    struct clients_options options;
    struct slab seats, sessions;
    struct list open; /* all, in the order in which they came */
    struct rest rest;
    uint32_t count;
};

void clients_init(struct clients *clients, const struct clients_options *options);
/* Nobody is there any more. */
void clients_fini(struct clients *clients);
/* An accepted descriptor, which is taken over whatever becomes of it. */
void clients_enter(struct clients *clients, int fd, const struct sockaddr_storage *peer, const struct clients_way *way);
/* Who came through a door with `proxied` is known now: may it come in? */
bool clients_admit(struct clients *clients, struct seat *seat);
/* Those that have idled for long enough rest. Called now and then. */
void clients_rest(struct clients *clients);
/* Idle ones end, the others after their request. */
void clients_drain(struct clients *clients);
/* They are to end, each with its next answer. */
void clients_retire(struct clients *clients);
/* The same for those that came through one door. */
void clients_drain_of(struct clients *clients, uint32_t door);
/* busy: a request is under way. */
typedef void (*clients_tell_fn)(void *context, const struct seat *seat, bool busy);
void clients_each(const struct clients *clients, clients_tell_fn tell, void *context);

#endif
