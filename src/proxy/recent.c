/* Places in a ring are taken in turn; nothing is ever freed or moved, and only what is in use of a record is written.
 */
#include "proxy/recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

_Static_assert(RECENT_TEXT_MAX <= UINT8_MAX, "lengths are bytes");

/* start-up only: of fixed size for each reactor. */
static int init_ring(struct recent_ring *ring, uint32_t count)
{
    ring->records = calloc(count, sizeof(*ring->records));
    ring->count = count;
    ring->next = 0;
    return ring->records ? 0 : -ERR_NO_MEMORY;
}

int recent_init(struct recent *recent)
{
    int error = init_ring(&recent->well, RECENT_WELL);

    return error ? error : init_ring(&recent->ill, RECENT_ILL);
}

/* start-up only: see init_ring. */
void recent_fini(struct recent *recent)
{
    free(recent->well.records);
    free(recent->ill.records);
    recent->well.records = recent->ill.records = NULL;
}

/* ---- filling in ---- */

static uint8_t put(struct recent_record *record, size_t *at, struct str text, size_t most)
{
    size_t room = RECENT_TEXT_MAX - *at;
    size_t n = text.n < most ? text.n : most;

    if (n > room)
        n = room;
    if (n > 0)
        memcpy(record->text + *at, text.p, n);
    *at += n;
    return (uint8_t)n;
}

void recent_set_texts(struct recent_record *record, const struct recent_texts *texts)
{
    size_t at = 0;

    record->id_n = put(record, &at, texts->id, RECENT_ID_MAX);
    record->client_n = put(record, &at, texts->client, RECENT_ID_MAX);
    record->method_n = put(record, &at, texts->method, RECENT_NAME_MAX);
    record->pool_n = put(record, &at, texts->pool, RECENT_NAME_MAX);
    record->detail_n = put(record, &at, texts->detail, RECENT_DETAIL_MAX);
    record->target_n = put(record, &at, texts->target, RECENT_TEXT_MAX);
}

void recent_set_worker(struct recent_try *attempt, struct str name)
{
    size_t n = name.n < RECENT_NAME_MAX ? name.n : RECENT_NAME_MAX;

    if (n > 0)
        memcpy(attempt->worker, name.p, n);
    attempt->worker[n] = '\0';
}

/* ---- in and out ---- */

struct recent_record *recent_next(struct recent *recent, bool ill)
{
    struct recent_ring *ring = ill ? &recent->ill : &recent->well;
    struct recent_record *record = &ring->records[ring->next];

    ring->next = ring->next + 1 == ring->count ? 0 : ring->next + 1;
    record->number = ++recent->noted;
    return record;
}

static const struct recent_record *find_in(const struct recent_ring *ring, struct str id)
{
    const struct recent_record *newest = NULL;

    for (uint32_t i = 0; i < ring->count; i++) {
        const struct recent_record *record = &ring->records[i];
        if (record->id_n == id.n && memcmp(record->text, id.p, id.n) == 0 &&
            (!newest || record->number > newest->number))
            newest = record;
    }
    return newest;
}

const struct recent_record *recent_find(const struct recent *recent, struct str id)
{
    struct str cut = str_slice(id.p, id.n < RECENT_ID_MAX ? id.n : RECENT_ID_MAX);

    if (id.n == 0)
        return NULL;
    const struct recent_record *well = find_in(&recent->well, cut), *ill = find_in(&recent->ill, cut);
    return !ill || (well && well->number > ill->number) ? well : ill;
}

struct recent_texts recent_texts(const struct recent_record *record)
{
    const char *at = record->text;
    struct recent_texts texts;

    texts.id = str_slice(at, record->id_n);
    texts.client = str_slice(at += record->id_n, record->client_n);
    texts.method = str_slice(at += record->client_n, record->method_n);
    texts.pool = str_slice(at += record->method_n, record->pool_n);
    texts.detail = str_slice(at += record->pool_n, record->detail_n);
    texts.target = str_slice(at + record->detail_n, record->target_n);
    return texts;
}
