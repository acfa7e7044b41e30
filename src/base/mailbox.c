/* A ring of slots with sequence numbers, after Dmitry Vyukov's bounded queue, with a single reader.
 *
 * Posters are any threads, the reader is the thread that owns the box. A slot's number says whose turn it is: equal to
 * the place to write it is free for that writer, one more it holds mail for the reader. No lock: a poster that is
 * preempted delays only the mail behind its own.
 */
#include "base/mailbox.h"

#include <stdlib.h>

#include "base/err.h"

struct mailbox_slot {
    _Atomic uint32_t turn;
    struct mail mail;
};

int mailbox_init(struct mailbox *box, uint32_t slots)
{
    ASSERT(slots >= 2 && slots <= 65536 && (slots & (slots - 1)) == 0);
    box->slots = malloc(slots * sizeof(struct mailbox_slot));
    if (!box->slots)
        return -ERR_NO_MEMORY;
    box->mask = slots - 1;
    box->head = 0;
    atomic_init(&box->tail, 0);
    for (uint32_t i = 0; i < slots; i++)
        atomic_init(&box->slots[i].turn, i);
    return 0;
}

void mailbox_fini(struct mailbox *box)
{
    free(box->slots);
    box->slots = NULL;
}

int mailbox_post(struct mailbox *box, struct mail mail)
{
    uint32_t place = atomic_load_explicit(&box->tail, memory_order_relaxed);
    for (;;) {
        struct mailbox_slot *slot = &box->slots[place & box->mask];
        uint32_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        /* Places wrap around: only their difference has an order. */
        int32_t ahead = (int32_t)(turn - place);
        if (ahead < 0)
            return -ERR_FULL;
        if (ahead > 0) {
            place = atomic_load_explicit(&box->tail, memory_order_relaxed);
            continue;
        }
        if (!atomic_compare_exchange_weak_explicit(&box->tail, &place, place + 1, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        slot->mail = mail;
        atomic_store_explicit(&slot->turn, place + 1, memory_order_release);
        return 0;
    }
}

bool mailbox_take(struct mailbox *box, struct mail *ret_mail)
{
    struct mailbox_slot *slot = &box->slots[box->head & box->mask];
    if (atomic_load_explicit(&slot->turn, memory_order_acquire) != box->head + 1)
        return false;
    *ret_mail = slot->mail;
    atomic_store_explicit(&slot->turn, box->head + box->mask + 1, memory_order_release);
    box->head++;
    return true;
}
