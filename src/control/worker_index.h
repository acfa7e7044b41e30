/* Workers of a list, found by their pool and their address, whether that is written alike or only means the same.
 *
 * The list is its owner's; here are numbers in it, and the owner says which worker a number is. One thread; used where
 * each of many workers is looked for: over another file, and as a server begins.
 */
#ifndef CONTROL_WORKER_INDEX_H
#define CONTROL_WORKER_INDEX_H

#include "base/str.h"
#include "io/sock.h"

struct worker_key {
    struct str pool, address;     /* as written */
    const struct sock_addr *addr; /* what that means */
};

/* The worker of this number in the owner's list. */
typedef struct worker_key (*worker_key_fn)(const void *list, uint32_t number);

struct worker_slot;
/* Zero is empty. */
struct worker_index {
    struct worker_slot *slots;
    size_t room, used;
};

#define WORKER_NOT_FOUND UINT32_MAX

/* The same pool, and one address. */
bool worker_key_equal(const struct worker_key *a, const struct worker_key *b);
/* Room for so many workers in all. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int worker_index_reserve(struct worker_index *index, size_t count);
/* There is room. */
void worker_index_add(struct worker_index *index, const struct worker_key *key, uint32_t number);
/* The lowest number of such a worker, or WORKER_NOT_FOUND. */
uint32_t worker_index_find(const struct worker_index *index, const struct worker_key *key, worker_key_fn key_of,
                           const void *list);
/* 0 or -ERR_NO_MEMORY. */
MUST_CHECK int worker_index_copy(const struct worker_index *from, struct worker_index *ret_index);
/* Empty; the room stays. */
void worker_index_clear(struct worker_index *index);
void worker_index_fini(struct worker_index *index);

#endif
