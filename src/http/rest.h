/* Sessions between requests, which rest when that has lasted: so busy ones pay nothing, and many idle ones cost little.
 *
 * One for each owner of sessions, on its thread. It uses session->link.
 */
#ifndef HTTP_REST_H
#define HTTP_REST_H

#include "http/session.h"

enum { REST_AFTER_MS = 1000, REST_WHOLE = 256 }; /* so long, and so many of them, idle sessions stay whole */

struct rest {
    void (*rested)(struct session *session); /* its memory may go, through io_reap */
    struct list idle;                        /* session->link, idle for longest first */
    uint32_t count;
};

void rest_init(struct rest *rest, void (*rested)(struct session *session));
/* A session idles from now on. Another may rest for it. */
void rest_add(struct rest *rest, struct session *session);
/* It does not any more, or ends. Harmless if it was not added. */
void rest_remove(struct rest *rest, struct session *session);
/* Those that have idled for REST_AFTER_MS rest. Called now and then. */
void rest_run(struct rest *rest, int64_t now_ms);

#endif
