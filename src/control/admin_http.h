/* Whole requests and whole answers over HTTP/1, for the administration API: its own listener on the control thread's
 * loop, sessions of http/h1_server, nothing shared with traffic.
 *
 * A request is handed over when its body is complete, and answered at once or later; an answer may also be a stream
 * that goes on until the client leaves. Everything runs on the loop's thread.
 */
#ifndef CONTROL_ADMIN_HTTP_H
#define CONTROL_ADMIN_HTTP_H

#include "http/h1_server.h"

struct admin_http;
struct admin_call;

enum { ADMIN_CLIENTS_MAX = 64, ADMIN_BODY_MAX = 65536, ADMIN_STREAM_WAITING_MAX = 16 << 20 };

struct admin_http_options {
    struct io *io;
    int fd; /* listening; taken over when admin_http_create succeeds */
    /* A request is complete: admin_call_answer or admin_call_stream, now or later. */
    void (*on_call)(void *context, struct admin_call *call);
    /* It cannot be read: admin_call_answer, now. */
    void (*on_refused)(void *context, struct admin_call *call, int error);
    void *context;
};

/* 0, or a code. */
MUST_CHECK int admin_http_create(const struct admin_http_options *options, struct admin_http **ret_http);
/* Another process goes on with the listener: no new clients, streams end, connections with their next answer. */
void admin_http_retire(struct admin_http *http);
/* Closes the listener and every connection; admin_http_stopped says when it is done. A call not answered yet still has
 * to be. */
void admin_http_stop(struct admin_http *http);
bool admin_http_stopped(const struct admin_http *http);
/* Stopped. Nulls. */
void admin_http_destroy(struct admin_http **http);

/* ---- a request, until it is answered ---- */

const struct msg *admin_call_head(const struct admin_call *call);
struct str admin_call_body(const struct admin_call *call);
/* Lives as long as the call. */
struct arena *admin_call_arena(struct admin_call *call);

struct admin_answer {
    uint16_t status;
    struct str content_type;
    const struct field *fields; /* further ones, complete */
    uint32_t count;
    struct str body;
    bool body_lasts; /* static memory: not copied */
};

/* Once a call; what it points to is copied or lasts. The call may be gone when this returns. */
void admin_call_answer(struct admin_call *call, const struct admin_answer *answer);
/* Answers 200 with a body that goes on: parts follow by admin_call_push until on_gone, which is told once, with the
 * call about to go. 0 or -ERR_NO_MEMORY, and the call is to be answered otherwise. */
MUST_CHECK int admin_call_stream(struct admin_call *call, struct str content_type, void (*on_gone)(void *context),
                                 void *context);
/* A client that does not keep up is let go. */
void admin_call_push(struct admin_call *call, struct str part);

#endif
