/* The administration API: what there is to see and to change of a running server, over HTTP and JSON
 * (docs/admin-api.md).
 *
 * Lives on the control thread. Routes stand in admin.def; each is a function admin_do_NAME in one of the admin_*.c,
 * which answers the call, at once or later. To add one: a row there, its objects in admin_object.def, the function.
 */
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include <jansson.h>

#include "control/admin_http.h"
#include "control/admin_input.h"
#include "control/journal.h"
#include "control/metric_text.h"
#include "control/pulse.h"

struct live_stream;
struct reload;
struct upgrade;

enum { ADMIN_CHANGES = 16 }; /* of a worker's state, that are remembered */

struct admin_change {
    int64_t at_ns; /* wall clock; 0: none */
    bool up;
    char cause[32];
};

struct admin_worker {
    struct admin_change changes[ADMIN_CHANGES]; /* ring: the newest at (count - 1) % ADMIN_CHANGES */
    uint32_t count;
};

/* What it looks at; outlives it. */
struct admin_options {
    struct io *io;
    int fd; /* listening; taken over */
    const struct config *config;
    const struct metric_sources *sources;
    struct reactor *const *reactors;
    uint32_t reactor_count;
    struct prober *prober;
    struct journal *journal;
    struct reload *reload;
    struct upgrade *upgrade;
};

struct admin {
    struct admin_options options;
    struct admin_http *http;
    struct pulse *pulse;
    struct admin_worker *workers;    /* by index */
    uint32_t worker_room;            /* how many of them */
    const struct admin_route *route; /* of the call being answered */
    struct list asked;               /* what reactors were asked for and have not told yet (admin_traffic.c) */
    struct admin_call *changing;     /* waits for `changed` to come or go; NULL: none (admin_workers.c) */
    struct worker *changed;
    struct list streams;   /* live_stream.link (admin_live.c) */
    uint64_t events_sent;  /* journal lines that streams have seen */
    int64_t status_due_ns; /* steady: the next status for the streams not before */
    struct timer tick;
    bool stopping, retired;
};

MUST_CHECK int admin_create(const struct admin_options *options, struct admin **ret_admin);
/* A worker's state has changed, said by its probes. */
void admin_note_health(struct admin *admin, const struct worker *worker, bool up, struct str cause);
/* The loop was woken: a reactor may have answered. */
void admin_on_wake(struct admin *admin);
/* Before anything is counted for workers with an index up to `workers`. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int admin_grow(struct admin *admin, uint32_t workers);
/* Another configuration is in use. */
void admin_set_config(struct admin *admin, const struct config *config);
/* The server has been told to stop: it goes on telling, and says so. */
void admin_note_stopping(struct admin *admin);
/* Another server takes its place, and its clients. */
void admin_retire(struct admin *admin);
/* Numbers that another server has counted are there now: they are no rate. */
void admin_note_handover(struct admin *admin);
/* Closes everything; no reactor runs any more. */
void admin_stop(struct admin *admin);
bool admin_stopped(const struct admin *admin);
void admin_destroy(struct admin **admin);

/* ---- for the functions of routes ---- */

/* The value of {name} in the call's path, decoded, in its arena; empty when malformed. Only while admin_do_ runs. */
struct str admin_param(struct admin *admin, struct admin_call *call, const char *name);
/* The value of name in the query, decoded, in the call's arena, or what admin_input.def says that holds without it.
 * Only while admin_do_ runs, as the next ones. False: it is not what is allowed, and the call has been answered. */
bool admin_query(struct admin *admin, struct admin_call *call, const char *name, struct str *ret_text);
/* The same for an INTEGER. */
bool admin_query_number(struct admin *admin, struct admin_call *call, const char *name, uint64_t *ret_number);
/* The same for a BOOLEAN. */
bool admin_query_truth(struct admin *admin, struct admin_call *call, const char *name, bool *ret_truth);
/* Answers 200 with this; takes the reference. NULL: no memory. */
void admin_answer_json(struct admin_call *call, json_t *json);
/* Answers with an Error. */
void admin_answer_error(struct admin_call *call, uint16_t status, const char *reason, const char *sentence);
/* The call's body as an object; NULL when it is none, and the call has been answered. The caller's reference. */
json_t *admin_body_json(struct admin_call *call);
/* The same, and judged by admin_input.def. */
json_t *admin_body_order(struct admin *admin, struct admin_call *call);
/* A member of it, which admin_input.def has; NULL: it is not given. */
const json_t *admin_body_member(const struct admin *admin, const json_t *body, const char *name);

json_t *admin_str(struct str text);
json_t *admin_time(int64_t wall_ns);
/* Sets object[name]; takes the reference to value. NULL of either is a failure that the end notices. */
void admin_set(json_t *object, const char *name, json_t *value);
void admin_set_str(json_t *object, const char *name, struct str text);
/* A member's text, "" where there is none; the object's. */
const char *admin_member_text(const json_t *object, const char *name);
void admin_set_int(json_t *object, const char *name, uint64_t number);

#endif
