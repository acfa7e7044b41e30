/* One connection to the worker: requests in, planned answers out, one at a time in order.
 */
#ifndef WORKER_CLIENT_H
#define WORKER_CLIENT_H

#include "worker/body.h"
#include "worker/intake.h"
#include "worker/plan.h"
#include "worker/port.h"

enum client_phase {
    CLIENT_HEAD,   /* waits for a request's head */
    CLIENT_INTAKE, /* reads its body and counts it */
    CLIENT_DELAY,  /* waits as planned */
    CLIENT_ANSWER, /* writes the answer */
    CLIENT_ECHO,   /* writes the request's body back as it comes */
    CLIENT_SILENT, /* reads and never answers */
    CLIENT_DYING,  /* ends inside the body when all so far is sent */
    CLIENT_LINGER, /* all is answered: its end is sent, the peer's is awaited */
    CLIENT_CLOSED
};

struct client {
    /* fixed after init */
    struct port *port;
    /* owner thread only */
    struct list link;
    struct io_sock sock;
    struct io_op rx;
    struct io_op tx;
    struct io_op close;
    struct io_reap reap;
    struct timer timer; /* idle in HEAD and LINGER; else sets waiting to false */
    struct bufq in;
    struct bufq out;
    enum client_phase phase;
    bool ended;    /* the peer sent its end */
    bool waiting;  /* for the timer: a delay, or a slow body's next piece */
    bool begun;    /* the answer's head is written */
    bool counts;   /* the answer says how long the request's body was */
    bool old_peer; /* the request came in HTTP/1.0: staying open must be said */
    bool end_sent;
    int64_t answers;
    struct plan plan;
    struct h1_scan scan;
    struct intake intake;
    struct body body;
    int64_t echo_length; /* of an echo in length framing */
};

/* Takes over an accepted descriptor. 0, or a negative code and fd stays the caller's. */
MUST_CHECK int client_start(struct port *port, int fd);
void client_stop(struct client *client);

#endif
