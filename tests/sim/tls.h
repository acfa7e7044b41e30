/* TLS for scripted clients and workers, by OpenSSL: the library that the balancer uses, on the other side. Random
 * numbers and the time that it sees come from the scenario, so that what both sides say is the same whenever a seed
 * runs.
 *
 * One thread. Words are in the clear; what is appended to `out` is to be sent.
 */
#ifndef TESTS_SIM_TLS_H
#define TESTS_SIM_TLS_H

#include <stdint.h>

#include "tests/sim/io_sim_net.h"
#include "tests/sim/plan.h"

struct sim_tls;
struct ssl_session_st;

/* Before the configuration is made: from here on all that is random is drawn from this seed. */
void sim_tls_seed(uint64_t seed);
/* A file with the balancer's certificate and key; it lives as long as the process. */
const char *sim_tls_path(void);
/* One with whom the balancer believes: those who may sign workers' certificates. */
const char *sim_tls_believed_path(void);

/* alpn: "h2" or "http/1.1". old: TLS 1.2. session: of the connection before, or NULL; the newest is left there. Never
 * NULL. */
struct sim_tls *sim_tls_create(const char *alpn, bool old, struct ssl_session_st **session);
/* A connection to this worker has come. h2: it speaks HTTP/2 with who wants it. Never NULL. */
struct sim_tls *sim_tls_accept(const struct plan_worker_tls *plan, uint32_t worker, bool h2, enum plan_shown shown);
/* Nulls; NULL is let be. */
void sim_tls_destroy(struct sim_tls **tls);
void sim_tls_forget(struct ssl_session_st **session);

/* The client's first words. */
void sim_tls_begin(struct sim_tls *tls, struct sim_bytes *out);
/* What has arrived is read; it may ask for an answer. */
void sim_tls_receive(struct sim_tls *tls, struct str bytes, struct sim_bytes *out);
/* All of the words, as records of so many bytes at most (0: as many as they hold). The handshake must be over. */
void sim_tls_seal(struct sim_tls *tls, struct sim_bytes *words, size_t record, struct sim_bytes *out);
/* Of a worker, with 1.3: another ticket, or another key of each side. The handshake must be over. */
void sim_tls_renew(struct sim_tls *tls, bool keys, struct sim_bytes *out);
/* Its last words: that it ends. */
void sim_tls_end(struct sim_tls *tls, struct sim_bytes *out);

bool sim_tls_is_ready(const struct sim_tls *tls);
/* Words that have arrived, to be dropped as they are read. */
struct sim_bytes *sim_tls_words(struct sim_tls *tls);
/* The other side has said that it ends. */
bool sim_tls_has_ended(const struct sim_tls *tls);
/* Why what has arrived is no TLS, or not what a worker may be told, or NULL. Being told of an error is none. */
const char *sim_tls_flaw(const struct sim_tls *tls);
/* The error that the other side has told of (RFC 8446 section 6.2), or 0. */
int sim_tls_alert(const struct sim_tls *tls);
/* What a balancer that is shown this tells of. */
int sim_tls_alert_for(enum plan_shown shown);
/* HTTP/2 was agreed on. */
bool sim_tls_is_h2(const struct sim_tls *tls);

#endif
