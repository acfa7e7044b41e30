/* One connection to a worker of HTTP/2 for the tests of h2_client: the session is ours, and the worker's frames are
 * written by hand.
 */
#ifndef UNIT_HTTP_H2_FAR_H
#define UNIT_HTTP_H2_FAR_H

#include "http_cmocka.h"

#include "h2_wire.h"
#include "http/worker_door.h"
#include "tests/unit/net/world.h"

enum { ASKED_MAX = 6, IDLE_MS = 4000, ARENA_BYTES = 1 << 18 };

/* What was asked of the worker: stream 1, 3, 5 and so on. */
struct asked {
    struct stream stream;
    struct arena arena;
    unsigned events;
    bool used;
};

struct far {
    struct world world;
    struct h2_room room;
    struct worker_door_options options;
    union worker_door door;
    struct seat seat;
    struct session_user user;
    struct sockaddr_storage address;
    struct io_sim_peer *peer;
    struct h2_wire wire;
    struct asked asked[ASKED_MAX];
    int listener, ready_error;
    unsigned ready, lost, closed;
};

extern struct far far;

/* A test's own: it begins connected, and all must be given back at its end. */
int far_setup(void **state);
int far_teardown(void **state);
#define FAR_TEST(name) cmocka_unit_test_setup_teardown(name, far_setup, far_teardown)

void far_connect_door(enum worker_protocol protocol);
/* Connected; the worker has said its SETTINGS. */
void far_begin(void);
/* Whatever is there ends. */
void far_leave(void);
/* What was put on the wire arrives. */
void far_flush(void);

extern const struct msg far_get;
/* The next stream. */
struct stream *far_ask_with(const struct msg *msg);
struct stream *far_ask(void);
struct stream *far_post(int64_t length);
void far_send_body(struct stream *stream, const char *bytes, size_t n);
bool far_finish(uint32_t id);
void far_abort_stream(uint32_t id);
unsigned far_take_events(uint32_t id);
void far_assert_failed(uint32_t id, int error);

/* The last frame of this type that the worker got, or NULL. */
const struct h2_wire_frame *far_find(enum h2_wire_type type, uint32_t stream);
uint32_t far_number_in(enum h2_wire_type type, uint32_t stream, size_t offset);
/* The worker's. */
void far_head(uint32_t id, const char *lines, bool ends);

#endif
