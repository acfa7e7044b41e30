/* One end of a tunnel that is a stream of HTTP/2 (RFC 8441): of a client (client_h2.c), or of a worker
 * (worker_h2_answer.c). It says and ends what the plan has, as tunnel.c decides; here is how that goes in frames.
 *
 * Nothing here sends by itself: what is new is told by `wake`, from outside the library.
 */
#ifndef TESTS_SIM_TUNNEL_H2_H
#define TESTS_SIM_TUNNEL_H2_H

#include "tests/sim/h2_script.h"
#include "tests/sim/world.h"

struct h2_tunnel {
    struct tunnel_end end;
    struct pacer out;
    struct sim_bytes queue;   /* left `out`, and waits for credit */
    struct io_sim_peer *peer; /* NULL: the stream is closed */
    nghttp2_session *h2;
    int32_t id;
    struct wire_reader *reader;
    uint32_t pause_ms; /* until it gives credit */
    size_t uncredited;
    bool credit_waits;
    bool ends;     /* behind the queue */
    bool resets;   /* in the place of that */
    bool is_reset; /* by this side */
    void (*wake)(void *context);
    void *context;
};

/* What says where it is; all of it must be set. */
struct h2_tunnel_place {
    struct world *world;
    const struct plan_request *request;
    bool client;
    struct io_sim_peer *peer;
    nghttp2_session *h2;
    int32_t id;
    struct wire_reader *reader; /* of what comes, from here on */
    void (*wake)(void *context);
    void *context;
};

struct h2_tunnel *h2_tunnel_open(const struct h2_tunnel_place *place);
void h2_tunnel_free(struct h2_tunnel *tunnel);
/* The library's: what may be sent now. */
ssize_t h2_tunnel_give(struct h2_tunnel *tunnel, uint8_t *out, size_t room, uint32_t *flags);
/* Bytes came; the other side's END_STREAM did. Both from inside the library. */
void h2_tunnel_take(struct h2_tunnel *tunnel, struct str bytes);
void h2_tunnel_hear_end(struct h2_tunnel *tunnel);
/* This side resets it, or takes its connection away. */
void h2_tunnel_note_reset(struct h2_tunnel *tunnel);
/* The stream is closed, by its ends, by a reset, or with its connection. */
void h2_tunnel_close(struct h2_tunnel *tunnel);

#endif
