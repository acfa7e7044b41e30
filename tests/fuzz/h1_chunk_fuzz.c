/* The chunked coding: any cutting of the bytes gives the same data, the same end and the same refusal; and data that
 * was read can be written as chunks and read again.
 *
 * The first two bytes seed the cuts; the rest is the body.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "base/rand.h"
#include "http/h1_chunk.h"

struct outcome {
    int event; /* the last one, or an error */
    size_t used;
    char *data;
    size_t n;
};

/* How many bytes come next, of `left`. */
typedef size_t (*cut_fn)(struct rand_gen *random, size_t left);

static size_t cut_none(struct rand_gen *random, size_t left)
{
    (void)random;
    return left;
}

static size_t cut_single(struct rand_gen *random, size_t left)
{
    (void)random;
    (void)left;
    return 1;
}

static size_t cut_random(struct rand_gen *random, size_t left)
{
    size_t piece = (size_t)rand_below(random, rand_below(random, 4) == 0 ? 64 : 4) + 1;
    return piece < left ? piece : left;
}

static void take_piece(struct h1_chunk *chunk, struct str piece, struct outcome *outcome)
{
    do {
        size_t used = 0;
        struct str data = STR_NONE;
        outcome->event = h1_chunk_step(chunk, piece, &used, &data);
        if (outcome->event < 0)
            return;
        ASSERT(used <= piece.n);
        if (outcome->event == H1_CHUNK_MORE)
            ASSERT(used == piece.n);
        if (outcome->event == H1_CHUNK_DATA) {
            ASSERT(data.n > 0 && data.p >= piece.p && data.p + data.n == piece.p + used);
            memcpy(outcome->data + outcome->n, data.p, data.n);
            outcome->n += data.n;
        }
        outcome->used += used;
        piece = str_slice(piece.p + used, piece.n - used);
    } while (outcome->event == H1_CHUNK_DATA);
}

static struct outcome read_body(struct str body, cut_fn cut, uint64_t seed)
{
    struct outcome outcome = {.event = H1_CHUNK_MORE, .data = malloc(body.n + 1)};
    struct h1_chunk chunk;
    struct rand_gen random;
    ASSERT(outcome.data);
    rand_seed(&random, seed);
    h1_chunk_init(&chunk);
    for (size_t at = 0; at < body.n && outcome.event == H1_CHUNK_MORE;) {
        size_t n = cut(&random, body.n - at);
        take_piece(&chunk, str_slice(body.p + at, n), &outcome);
        at += n;
    }
    return outcome;
}

static void check_same(const struct outcome *whole, struct outcome other)
{
    ASSERT(other.event == whole->event);
    ASSERT(other.n == whole->n && memcmp(other.data, whole->data, other.n) == 0);
    if (whole->event >= 0)
        ASSERT(other.used == whole->used);
    free(other.data);
}

/* One chunk of all the data, and the last chunk. */
static void check_written(const struct outcome *whole)
{
    if (whole->n == 0)
        return;
    char *bytes = malloc(whole->n + H1_CHUNK_HEAD_BYTES + 5);
    ASSERT(bytes);
    size_t n = h1_chunk_head(bytes, whole->n);
    memcpy(bytes + n, whole->data, whole->n);
    memcpy(bytes + n + whole->n, "\r\n0\r\n", 5);
    struct outcome again = read_body(str_slice(bytes, n + whole->n + 5), cut_none, 0);
    ASSERT(again.event == H1_CHUNK_LAST && again.used == n + whole->n + 5);
    ASSERT(again.n == whole->n && memcmp(again.data, whole->data, again.n) == 0);
    free(again.data);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 2)
        return 0;
    struct str body = str_slice((const char *)bytes + 2, n - 2);
    uint64_t seed = (uint64_t)bytes[0] * 256 + bytes[1];
    struct outcome whole = read_body(body, cut_none, seed);
    check_same(&whole, read_body(body, cut_single, seed));
    check_same(&whole, read_body(body, cut_random, seed));
    check_same(&whole, read_body(body, cut_random, seed + 65536));
    check_written(&whole);
    free(whole.data);
    return 0;
}
