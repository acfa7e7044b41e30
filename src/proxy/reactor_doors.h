/* Whom a reactor lets in. For the reactor's own files (proxy/reactor_parts.h), on its thread. */
#ifndef PROXY_REACTOR_DOORS_H
#define PROXY_REACTOR_DOORS_H

#include "proxy/reactor_parts.h"

/* Not yet open; the caller's to free, or NULL: no memory. Any thread. */
struct door *reactor_door_make(const struct reactor_door *from);
/* Opens those of its options. 0, or the error, with none open. */
MUST_CHECK int reactor_doors_start(struct reactor *reactor);
/* Opens those of a list, which it takes over with their sockets; who cannot be opened is not there. */
void reactor_doors_open(struct reactor *reactor, struct list *doors, const int *fds);
/* From now on it is as `to` says. Clients that are there go on as they began. */
void reactor_door_change(struct reactor *reactor, const struct reactor_door *to);
/* Accepts from it no more; its clients end after the request at hand. */
void reactor_door_close(struct reactor *reactor, uint32_t id);
/* Accepts from none any more. */
void reactor_doors_stop(struct reactor *reactor);

/* There may be room for another client, or none any more. */
void reactor_doors_accept(struct reactor *reactor);
/* Tells its team how many clients it has. */
void reactor_note_load(struct reactor *reactor);
/* A client that another reactor has accepted (MAIL_CLIENT). */
struct passed_on;
void reactor_take_passed_on(struct reactor *reactor, struct passed_on *client);
/* Gives descriptors back if others of its team are out of them. */
void reactor_heed_shortages(struct reactor *reactor);

#endif
