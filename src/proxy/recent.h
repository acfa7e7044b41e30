/* What became of each recent exchange, for whoever asks later: a reactor's own, of fixed size, on its thread.
 *
 * Two rings of records: one of those that went well, one of those that failed or were slow, which are fewer and so stay
 * longer. Other threads ask by an order to the reactor, as for exchanges in flight: nothing is shared, and a record is
 * written once, in its place.
 */
#ifndef PROXY_RECENT_H
#define PROXY_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "balance/pick.h"
#include "base/str.h"

enum {
    RECENT_WELL = 1024,
    RECENT_ILL = 512,
    RECENT_SLOW_US = 1000000,
    RECENT_TEXT_MAX = 236,
    RECENT_DETAIL_MAX = 160,
    RECENT_ID_MAX = 64,
    RECENT_NAME_MAX = 31
};

/* Microseconds since the request's first byte, as all times here. */
#define RECENT_NEVER UINT32_MAX

struct recent_try {
    char worker[RECENT_NAME_MAX + 1]; /* its name, cut; a C string */
    uint32_t picked_us, connected_us, failed_us;
    uint16_t error; /* why this one failed; 0: it did not */
    bool reused;    /* on an idle connection */
    bool waited;    /* in line among other retries, before it was made */
};

/* Texts stand one after another, cut to what fits. */
struct recent_record {
    uint64_t number;  /* of all that were noted, in their order */
    int64_t ended_ns; /* steady clock */
    uint64_t bytes_in, bytes_out;
    uint32_t first_byte_us, total_us;
    int16_t status; /* 0: nothing was sent to the client */
    uint16_t error; /* enum err_code; 0: it went well */
    uint8_t tries;
    bool own; /* the answer was made by Ballast */
    uint8_t id_n, client_n, method_n, target_n, pool_n, detail_n;
    char text[RECENT_TEXT_MAX];
    struct recent_try attempts[PICK_TRIED_MAX];
};

struct recent_ring {
    struct recent_record *records; /* id_n 0: empty */
    uint32_t count, next;
};

struct recent {
    struct recent_ring well, ill;
    uint64_t noted;
};

MUST_CHECK int recent_init(struct recent *recent);
void recent_fini(struct recent *recent);

/* The place for the next record, whose texts and tries are the caller's to set whole; the oldest one makes room. */
struct recent_record *recent_next(struct recent *recent, bool ill);
/* The texts of a record. */
struct recent_texts {
    struct str id, client, method, pool, target;
    struct str detail; /* more of why its last try failed that did; empty: the reason says it all */
};

/* id: at least a byte. What does not fit is cut: of the target first, of the id last. */
void recent_set_texts(struct recent_record *record, const struct recent_texts *texts);
void recent_set_worker(struct recent_try *attempt, struct str name);

/* The last exchange that had this request id; NULL: none that is still remembered. Valid until the next recent_next. */
const struct recent_record *recent_find(const struct recent *recent, struct str id);
struct recent_texts recent_texts(const struct recent_record *record);

#endif
