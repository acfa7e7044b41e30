/* The contract of io.h as tests, run for every backend.
 *
 * A backend brings a fixture: how to make a loop's surroundings and the far ends of its connections. The tests know
 * io.h and the fixture only, so that whatever passes them can stand under the rest of Ballast.
 */
#ifndef TESTS_CONTRACT_IO_SUITE_H
#define TESTS_CONTRACT_IO_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/bufq.h"
#include "base/err.h"
#include "io/io.h"

struct io_fixture;
struct io_far; /* a far end: what it is, the fixture knows */

enum { FAR_NOTHING = -1, FAR_RESET = -2 };

struct io_fixture_ops {
    const struct io_backend *backend;
    void (*setup)(struct io_fixture *fixture);
    void (*teardown)(struct io_fixture *fixture);
    /* A connection: its far end, and a descriptor for io_adopt. */
    struct io_far *(*pair)(struct io_fixture *fixture, int *ret_fd);
    /* A listening descriptor for io_adopt. */
    int (*listen)(struct io_fixture *fixture, struct sockaddr_storage *ret_address);
    /* A listener of the far side, to connect to. */
    int (*far_listen)(struct io_fixture *fixture, struct sockaddr_storage *ret_address);
    void (*far_unlisten)(struct io_fixture *fixture, int listener);
    struct io_far *(*far_accept)(struct io_fixture *fixture, int listener); /* NULL: none yet */
    struct io_far *(*far_connect)(struct io_fixture *fixture, const struct sockaddr_storage *to);
    /* Sends all, now or as there is room. */
    void (*far_send)(struct io_fixture *fixture, struct io_far *far, const void *bytes, size_t n);
    /* Bytes, 0 at the end, FAR_NOTHING or FAR_RESET. */
    ssize_t (*far_recv)(struct io_fixture *fixture, struct io_far *far, void *out, size_t n);
    void (*far_shutdown)(struct io_fixture *fixture, struct io_far *far);
    void (*far_close)(struct io_fixture *fixture, struct io_far *far, bool reset);
};

struct io_fixture {
    const struct io_fixture_ops *ops;
    struct buf_pool buffers;
    struct io *io;
    int wakes;
    void *state; /* the fixture's own */
};

/* Runs all tests; the number of failed ones. */
int io_suite_run(const char *name, const struct io_fixture_ops *ops);

/* ---- For the tests ---- */

struct io_suite_part {
    const struct CMUnitTest *tests;
    size_t count;
};
extern const struct io_suite_part io_suite_turn_part, io_suite_stream_part, io_suite_splice_part, io_suite_accept_part;

enum { IO_SUITE_PIPES = 8 }; /* that the loop may have in use */

/* An op that records how it completed. */
struct probe {
    struct io_op op;
    int calls;
    int32_t result; /* of the last call */
    int order;      /* place of the last call among all calls of all probes */
};

extern int probe_sequence;
void probe_done(struct io_op *op);
void probe_init(struct probe *probe);
/* Turns until the probe was called this often; fails the test when it never is. */
void turn_until(struct io_fixture *fixture, const struct probe *probe, int calls);
void turn_some(struct io_fixture *fixture, int turns);
/* Adopts one end of a new connection. */
struct io_far *open_pair(struct io_fixture *fixture, struct io_sock *sock);
/* Closes and waits for it; far may be NULL. */
void close_pair(struct io_fixture *fixture, struct io_sock *sock, struct io_far *far);
/* Turns until the far end has received n bytes, its end (n is 0) or a reset; returns what far_recv said last. */
ssize_t far_wait(struct io_fixture *fixture, struct io_far *far, char *out, size_t n);
/* One receive from submission to completion. */
void recv_once(struct io_fixture *fixture, struct io_sock *sock, struct probe *probe, struct buf *into);
/* Makes the sending direction full: nothing further fits until the far end reads. */
void fill_sending(struct io_fixture *fixture, struct io_sock *sock);

#endif
