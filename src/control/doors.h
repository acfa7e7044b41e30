/* The doors of a server from one configuration to the next: a listener whose address stays keeps its number, by which
 * reactors know it, and a new one brings sockets, which the keeper sends. Control thread only; owned by control/reload.
 */
#ifndef CONTROL_DOORS_H
#define CONTROL_DOORS_H

#include "control/config.h"
#include "control/link.h"

struct listener_door {
    struct sock_addr addr;
    uint32_t id;
};

struct doors {
    struct listener_door *items; /* by the place of the listener in its configuration */
    uint32_t count;
};

/* Of new listeners; zero is none. */
struct door_sockets {
    int *fds; /* fds[listener * reactors + reactor], -1: none */
    uint32_t *counts;
    uint32_t reactors;
};

/* Those of a configuration after the ones before, which may be empty; a new one takes *next_id. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int doors_list(const struct doors *before, const struct config_listeners *listeners, uint32_t *next_id,
                          struct doors *ret_doors);
/* The one at an address; NULL: there is none. */
const struct listener_door *doors_find(const struct doors *doors, const struct sock_addr *addr);
void doors_fini(struct doors *doors);

/* Takes what a message of the keeper brings. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int door_sockets_note(struct door_sockets *sockets, uint32_t reactors, const struct link_message *message);
/* -1: there is none. */
int door_sockets_fd(const struct door_sockets *sockets, uint32_t listener, uint32_t reactor);
/* Closes all: nobody has taken them. */
void door_sockets_close(struct door_sockets *sockets);
/* Frees the list; the sockets are somebody's, or closed. */
void door_sockets_forget(struct door_sockets *sockets);

#endif
