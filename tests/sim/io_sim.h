/* The simulated backend: whole networks of loops in one thread, on virtual time.
 *
 * A net holds loops (reactors, control), listeners and connections in memory, and scripted peers without a loop of
 * their own. One scheduler turns the loops that have something to do and moves the clock when none has: a minute of
 * time-outs takes microseconds, and the same seed gives the same run. While a net exists clock.h reads its time.
 *
 *     struct io_sim_net *net = io_sim_net_create(1);   loops that are created from now on with io_sim_backend join it
 *     io_create(&options, &io);
 *     io_sim_run(net, until, context, max_ms);
 *     io_destroy(&io);
 *     io_sim_net_destroy(&net);
 */
#ifndef TESTS_SIM_IO_SIM_H
#define TESTS_SIM_IO_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"
#include "io/io.h"

struct io_backend;
struct io_sim_net;
struct io_sim_peer;

extern const struct io_backend io_sim_backend;

/* How the net carries bytes. Applies to what is sent after it is set. */
struct io_sim_limits {
    size_t buffer_bytes;   /* on their way or unread in one direction of a connection: more is a short send */
    size_t segment_bytes;  /* most bytes that one send or receive moves; each arrives on its own */
    int64_t delay_ns;      /* from one end to the other */
    int64_t jitter_ns;     /* up to this much more, drawn from the seed; order within a connection is kept */
    int backlog;           /* connections that wait for an accept; more are refused */
    uint32_t lazy_percent; /* how often a loop with work is passed over for a round: others get ahead of it */
};

/* One net at a time. Asserts that memory is there: tests only. */
struct io_sim_net *io_sim_net_create(uint64_t seed);
/* Loops are destroyed and peers closed by then. Nulls. */
void io_sim_net_destroy(struct io_sim_net **net);
struct io_sim_limits *io_sim_limits(struct io_sim_net *net);
int64_t io_sim_now_ns(const struct io_sim_net *net);
/* Of every byte that was sent so far, and of when, in which order and where everything arrived. */
uint64_t io_sim_digest(const struct io_sim_net *net);

/* Turns the loops until `until` is true (looked at between turns), or max_ms of virtual time have passed. Returns
 * whether until became true; with NULL the time just passes. */
typedef bool (*io_sim_until_fn)(void *context);
bool io_sim_run(struct io_sim_net *net, io_sim_until_fn until, void *context, int64_t max_ms);
/* One round: what has arrived is delivered and each loop with work turns once, without moving the clock. False if
 * there was nothing to do. */
bool io_sim_step(struct io_sim_net *net);

/* Calls fn when this much time has passed; between the turns of loops, as whatever arrives. It cannot be taken back. */
typedef void (*io_sim_timer_fn)(void *context);
void io_sim_after(struct io_sim_net *net, int64_t delay_ns, io_sim_timer_fn fn, void *context);
/* The wall clock jumps; the steady one goes on. */
void io_sim_wall_jump(struct io_sim_net *net, int64_t ns);
/* While an address is dark, connects to it vanish: neither taken nor refused. */
void io_sim_dark(struct io_sim_net *net, const struct sockaddr_storage *address, bool dark);

/* A listening descriptor for io_adopt. Several may share an address: connections go to them in turn. */
int io_sim_listen(struct io_sim_net *net, const struct sockaddr_storage *address);
/* Another descriptor of the same listening socket, as another process gets it: those who wait there wait for whoever
 * accepts first, and it stays until the last one is closed. */
int io_sim_listen_again(struct io_sim_net *net, int fd);
/* Of a descriptor that no loop has adopted. */
void io_sim_unlisten(struct io_sim_net *net, int fd);
/* An address that no other part of the net uses: 127.0.0.1 and a port. */
struct sockaddr_storage io_sim_address(struct io_sim_net *net);
/* Connections between open ends, and descriptors, for the check that nothing leaked. */
uint32_t io_sim_open_count(const struct io_sim_net *net);

/* Scripted peers: the far ends of connections, driven by the test or by their own on_event. */
enum io_sim_peer_state {
    IO_SIM_PEER_CONNECTING,
    IO_SIM_PEER_OPEN,
    IO_SIM_PEER_ENDED,   /* the other side has sent its end, and all before it was received */
    IO_SIM_PEER_RESET,   /* reset by the other side */
    IO_SIM_PEER_REFUSED, /* nobody listened there */
};
/* Bytes arrived, room to send appeared or the state changed. */
typedef void (*io_sim_event_fn)(struct io_sim_peer *peer, void *context);
typedef void (*io_sim_accept_fn)(struct io_sim_peer *peer, void *context);

struct io_sim_peer *io_sim_peer_connect(struct io_sim_net *net, const struct sockaddr_storage *to);
/* Every connection to this address becomes a peer of the script (a scripted worker); on_accept may be NULL when the
 * test takes them by io_sim_peer_accept. */
int io_sim_peer_listen(struct io_sim_net *net, const struct sockaddr_storage *address, io_sim_accept_fn on_accept,
                       void *context);
/* The next waiting connection of a listener made with on_accept NULL, or NULL. */
struct io_sim_peer *io_sim_peer_accept(struct io_sim_net *net, int listener);
void io_sim_peer_unlisten(struct io_sim_net *net, int listener);
/* A peer whose other end is a descriptor for io_adopt. */
struct io_sim_peer *io_sim_peer_pair(struct io_sim_net *net, int *ret_fd);

void io_sim_peer_on_event(struct io_sim_peer *peer, io_sim_event_fn on_event, void *context);
/* Queued without a bound and sent as there is room. */
void io_sim_peer_send(struct io_sim_peer *peer, const void *bytes, size_t n);
/* Queued bytes that did not fit yet. */
size_t io_sim_peer_unsent(const struct io_sim_peer *peer);
/* These, and what was sent and the other side has not read. */
size_t io_sim_peer_unread(const struct io_sim_peer *peer);
/* What was received and not yet taken; valid until the net runs or peer is used again. */
struct str io_sim_peer_received(struct io_sim_peer *peer);
void io_sim_peer_take(struct io_sim_peer *peer, size_t n);
/* A peer that does not read leaves bytes in the connection's buffer, so that it fills up. */
void io_sim_peer_pause(struct io_sim_peer *peer, bool paused);
enum io_sim_peer_state io_sim_peer_state(const struct io_sim_peer *peer);
/* Runs the net until exactly these bytes are the next received, and takes them. False: others came, or none in time. */
bool io_sim_peer_expect(struct io_sim_peer *peer, struct str bytes, int64_t max_ms);
/* From now on nothing that either end sends arrives, its end and resets neither. */
void io_sim_peer_dark(struct io_sim_peer *peer);
/* The network breaks the connection: both ends see a reset. */
void io_sim_peer_break(struct io_sim_peer *peer);
/* Ends the sending direction once all is sent. */
void io_sim_peer_shutdown(struct io_sim_peer *peer);
/* Orderly, or with a reset; the peer is gone then. Unsent bytes are dropped. Nulls. */
void io_sim_peer_close(struct io_sim_peer **peer, bool reset);

#endif
