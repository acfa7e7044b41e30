/* Bounded messages from many threads to one: the only queue that crosses threads.
 *
 * Posting never blocks and never allocates; a full box refuses. The reader's loop is woken by whoever posts (io_wake):
 * the box knows no loop.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct mail {
    uint32_t kind; /* the reader's own enum */
    void *subject; /* ownership as the kind says */
    uint64_t value;
};

struct mailbox_slot;

struct mailbox {
    /* fixed after init */
    struct mailbox_slot *slots;
    uint32_t mask;
    /* shared, on a cache line of its own (by padding: boxes are embedded in structs from malloc) */
    char before_tail[64];
    _Atomic uint32_t tail; /* next place to write */
    char after_tail[60];
    /* reader only */
    uint32_t head;
};

/* slots: a power of two from 2 to 65536. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int mailbox_init(struct mailbox *box, uint32_t slots);
/* Unread mail is dropped; who owns subjects drains first. */
void mailbox_fini(struct mailbox *box);
/* Any thread. 0, or -ERR_FULL. */
MUST_CHECK int mailbox_post(struct mailbox *box, struct mail mail);
/* Reader only. False when empty. Mail of one poster arrives in order. */
bool mailbox_take(struct mailbox *box, struct mail *ret_mail);

#endif
