/* Owners of sessions for tests: `echo` serves requests on an h1_server, or whatever the door makes of it, and sends
 * each body back; `asker` asks on an h1_client and takes the answer. Both act from a task, as real owners do, or leave
 * everything to the test. They know nothing of a test library: the session fuzzer uses them too.
 */
#ifndef UNIT_HTTP_H1_OWNERS_H
#define UNIT_HTTP_H1_OWNERS_H

#include "http/client_door.h"
#include "http/h1_client.h"

enum { ECHO_REQUESTS = 16, OWNER_EVENTS = 9 };

struct echo;

struct echo_request {
    struct stream stream;
    struct arena arena;
    struct io_task task;
    struct echo *echo;
    unsigned events;             /* since the test or the task looked */
    unsigned told[OWNER_EVENTS]; /* how often each bit, by its place */
    bool used, answered, refused, out_ended;
};

struct echo {
    struct session_owner owner;
    union {
        struct h1_server server;
        union client_door door; /* served in either version */
    };
    struct seat seat;
    struct io *io;
    struct echo_request requests[ECHO_REQUESTS]; /* of HTTP/1 one, and the next while it is finished */
    struct echo_request *current;                /* the last one opened */
    bool by_hand;                                /* the test answers */
    bool refuses_open;
    bool aborts_failed; /* instead of an answer to what was refused */
    uint32_t spare_fields;
    unsigned opened, finished, aborted, closed, heads_lost;
    int lost_code, error;
};

/* Zeroed but for its owner's functions. */
void echo_init(struct echo *echo, struct io *io);
/* Session started: MUST be closed by the peer or the test, and is when `closed` is 1. */
MUST_CHECK int echo_start(struct echo *echo, int fd, const struct h1_server_options *options);
/* The same, through the door. */
MUST_CHECK int echo_start_door(struct echo *echo, int fd, const struct client_door_options *options);
/* The request leaves the session; what it held is given back. */
bool echo_finish(struct echo_request *request);
void echo_abort(struct echo_request *request);

struct asker {
    struct session_user user;
    struct h1_client client;
    struct seat seat;
    struct io *io;
    struct stream stream;
    struct arena arena;
    struct io_task task;
    unsigned events;
    unsigned told[OWNER_EVENTS];
    bool by_hand;
    bool busy; /* stream is in use */
    unsigned ready, lost, closed, answers, failures, interims;
    unsigned repeats; /* more times to ask the same on the same session */
    int error;
    int last_status;
    size_t body_bytes; /* taken, of all answers */
    bool reusable;     /* after the last finish */
    struct msg ask;
    struct str body; /* of the request */
    size_t body_sent;
};

void asker_init(struct asker *asker, struct io *io);
/* Asks as soon as the connection is there. */
MUST_CHECK int asker_start(struct asker *asker, struct sockaddr_storage *to, const struct h1_limits *limits);
/* By hand: the session takes a request, and its head is sent. */
MUST_CHECK int asker_ask(struct asker *asker);
bool asker_finish(struct asker *asker);
void asker_abort(struct asker *asker);

#endif
