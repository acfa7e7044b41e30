/* What a worker's connection speaks through, whichever version of HTTP: TLS, with what its plan has in store for it, or
 * nothing. Words are in the clear; those who read and send them notice nothing.
 *
 * One thread. A line is moved from whoever greets to whoever speaks HTTP.
 */
#ifndef TESTS_SIM_WORKER_LINE_H
#define TESTS_SIM_WORKER_LINE_H

#include "tests/sim/world.h"

/* WORD: close_notify comes before the end. */
enum line_close { LINE_WORD, LINE_CUT, LINE_RESET };

struct worker_line {
    struct sim_worker *worker;
    struct io_sim_peer *peer; /* NULL: closed */
    struct sim_tls *tls;      /* NULL: in the clear */
    struct sim_bytes cipher;  /* to be sent at once */
    struct sim_bytes words;   /* to be sealed */
    uint64_t sent;            /* of the ciphertext */
    uint64_t stop_at;         /* inside the handshake; UINT64_MAX: never */
    enum line_close stop_how;
    bool stop_stalls; /* instead */
    bool stopped;
    uint64_t garble_at; /* this byte arrives as another; UINT64_MAX: none */
    bool garbled;
    enum plan_shown shown;
    int64_t began_ns;
    uint32_t sends;
    bool end_said, shut;
};

/* A connection has come. ready is called once it may speak (from inside, where it speaks no TLS), with the line, which
 * is its own then. */
typedef void (*worker_line_ready_fn)(struct sim_worker *worker, const struct worker_line *line);
void worker_line_greet(struct sim_worker *worker, struct io_sim_peer *peer, worker_line_ready_fn ready);
/* Those that are not ready: all of them go, or can be reached no more; the end of all. */
void worker_line_leave(struct sim_worker *worker, enum plan_window_kind how);
void worker_line_fini_greetings(struct sim_worker *worker);

/* As io_sim_peer_*, of words. Each may close the line. */
struct str worker_line_received(struct worker_line *line);
void worker_line_take(struct worker_line *line, size_t n);
void worker_line_send(struct worker_line *line, struct str words);
void worker_line_shutdown(struct worker_line *line);
void worker_line_close(struct worker_line *line, enum line_close how);
/* The other side has ended, and said so where there is TLS. */
bool worker_line_ended_well(const struct worker_line *line);
/* Only the word of the end, if there is one to be said: the other side is to close. */
void worker_line_say_end(struct worker_line *line);
/* The beginning of one more record, which says these words, and no more of it. */
void worker_line_send_half(struct worker_line *line, struct str words);
void worker_line_fini(struct worker_line *line);

#endif
