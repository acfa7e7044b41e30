/* What an operator has changed of the workers while the server runs: the difference from the file, an entry for each
 * worker that differs. A worker is known by its pool and its address.
 *
 * Control thread; owned by control/reload.
 */
#ifndef CONTROL_CHANGES_H
#define CONTROL_CHANGES_H

#include "balance/pool.h"
#include "control/worker_index.h"

enum { CHANGE_NAME_MAX = 65, CHANGE_ADDRESS_MAX = 300, CHANGE_BY_MAX = 80 };

enum change_kind {
    CHANGE_ADDED,   /* the file does not have it */
    CHANGE_REMOVED, /* the file has it */
    CHANGE_SET,     /* the file has it, with another weight, or it is not ready */
};

struct change {
    enum change_kind kind;
    char pool[CHANGE_NAME_MAX], address[CHANGE_ADDRESS_MAX], name[CHANGE_NAME_MAX]; /* name: as given, or empty */
    struct sock_addr addr;
    enum worker_mode mode;
    uint32_t weight; /* of a worker that was added; else instead of the file's, 0: as there */
    bool keep;       /* over the next reload */
    int64_t at_ns;   /* wall clock; the last time it was changed */
    char by[CHANGE_BY_MAX];
};

/* Zero is none. Pointers to entries last until the next one comes or goes. */
struct changes {
    struct change *items;
    size_t count, room;
    struct worker_index index; /* of the items */
};

/* 0 or -ERR_NO_MEMORY. */
MUST_CHECK int changes_copy(const struct changes *from, struct changes *ret_changes);
void changes_fini(struct changes *changes);
/* Room for one more: the next changes_put cannot fail. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int changes_reserve(struct changes *changes);
/* In place of what there is of the same worker. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int changes_put(struct changes *changes, const struct change *change);
/* The same differences, kept or not alike, in whichever order. */
bool changes_equal(const struct changes *a, const struct changes *b);
/* change is one of them. */
void changes_drop(struct changes *changes, struct change *change);
/* NULL: the file alone says what it is. */
struct change *changes_find(const struct changes *changes, struct str pool, struct str address,
                            const struct sock_addr *addr);
struct change *changes_of(const struct changes *changes, const struct worker *worker);
struct worker_key change_key(const struct change *change);
/* Texts that are too long are cut. */
void change_text(char *out, size_t room, struct str text);
/* "added", "removed" or "changed". */
const char *change_word(enum change_kind kind);

#endif
