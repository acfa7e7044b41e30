/* A reactor's memory for HTTP/2. The library asks for what it keeps of each stream; through here, so that it is
 * counted, and refused above a bound. A stream begins and ends with a few pieces of the same sizes: they come from
 * slabs, which cost a fifth of what malloc does. */
#include "http/h2_room.h"

#include <stdlib.h>

#include "http/h2_library.h"

/* Before each piece, as wide as malloc's alignment. */
struct piece {
    _Alignas(16) struct list link; /* of h2->pieces */
    size_t bytes;
};

/* Of sizes up to the largest of them; NULL above it. */
static struct slab *slab_of(struct h2_room *room, size_t n)
{
    size_t index = (sizeof(struct piece) + n - 1) / H2_PIECE_STEP;

    return index < H2_PIECE_SIZES ? &room->pieces[index] : NULL;
}

static struct piece *take_piece(struct h2_room *room, size_t n)
{
    struct slab *slab = slab_of(room, n);

    /* not per request: malloc has what is long, buffers and tables of a session, bounded by the room */
    return slab ? slab_take(slab) : malloc(sizeof(struct piece) + n);
}

static void *take(size_t n, void *user)
{
    struct h2_session *h2 = user;
    bool fits = n <= h2->room->library_bytes_max - h2->room->library_bytes;
    struct piece *piece = fits ? take_piece(h2->room, n) : NULL;

    h2->starved |= !piece;
    if (!piece)
        return NULL;
    list_init(&piece->link);
    list_append(&h2->pieces, &piece->link);
    piece->bytes = n;
    h2->room->library_bytes += n;
    return piece + 1;
}

static void free_piece(struct h2_session *h2, struct piece *piece)
{
    struct slab *slab = slab_of(h2->room, piece->bytes);

    h2->room->library_bytes -= piece->bytes;
    list_remove(&piece->link);
    if (slab)
        slab_give(slab, piece);
    else
        free(piece); /* not per request: see take_piece */
}

/* Version 1.52 gives back twice what it could not put in its queue: once it was refused some, all of it waits for the
 * session's end, which is near. */
static void give(void *p, void *user)
{
    struct h2_session *h2 = user;

    if (p && !h2->starved)
        free_piece(h2, (struct piece *)p - 1);
}

static void *take_zeroed(size_t count, size_t n, void *user)
{
    if (n > 0 && count > SIZE_MAX / n)
        return NULL;
    void *p = take(count * n, user);
    if (p)
        memset(p, 0, count * n);
    return p;
}

static void *take_again(void *p, size_t n, void *user)
{
    void *taken = take(n, user);

    if (!taken || !p)
        return taken;
    size_t before = ((struct piece *)p - 1)->bytes;
    memcpy(taken, p, before < n ? before : n);
    give(p, user);
    return taken;
}

nghttp2_mem h2_library_memory(struct h2_session *h2)
{
    return (nghttp2_mem){h2, take, give, take_zeroed, take_again};
}

void h2_library_end(struct h2_session *h2)
{
    if (!h2->starved)
        nghttp2_session_del(h2->library);
    while (!list_empty(&h2->pieces))
        free_piece(h2, CONTAINER_OF(h2->pieces.next, struct piece, link));
    h2->library = NULL;
}

void h2_room_init(struct h2_room *room, size_t streams, size_t library_bytes)
{
    *room = (struct h2_room){.library_bytes_max = library_bytes};
    slab_init(&room->streams, sizeof(struct h2_stream), streams, streams / 4);
    for (size_t i = 0; i < H2_PIECE_SIZES; i++)
        slab_init(&room->pieces[i], (i + 1) * H2_PIECE_STEP, SIZE_MAX,
                  H2_PIECES_KEPT_BYTES / ((i + 1) * H2_PIECE_STEP));
}

static void destroy_library(struct h2_library *library)
{
    nghttp2_session_callbacks_del(library->callbacks);
    nghttp2_option_del(library->option);
    free(library); /* start-up only: see h2_library_of */
}

void h2_room_fini(struct h2_room *room)
{
    ASSERT(room->library_bytes == 0);
    if (room->library)
        destroy_library(room->library);
    room->library = NULL;
    slab_fini(&room->streams);
    for (size_t i = 0; i < H2_PIECE_SIZES; i++)
        slab_fini(&room->pieces[i]);
}

struct h2_library *h2_library_of(struct h2_room *room)
{
    if (room->library)
        return room->library;
    struct h2_library *library = calloc(1, sizeof(*library)); /* start-up only: with the first session */
    if (!library)
        return NULL;
    if (nghttp2_session_callbacks_new(&library->callbacks) != 0 || nghttp2_option_new(&library->option) != 0) {
        destroy_library(library);
        return NULL;
    }
    h2_library_set_callbacks(library->callbacks);
    nghttp2_option_set_no_auto_window_update(library->option, 1);
    nghttp2_option_set_no_closed_streams(library->option, 1);
    nghttp2_option_set_stream_reset_rate_limit(library->option, UINT64_MAX, 1); /* H2_FLOOD_RESETS is the limit */
    for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)   /* so that floods of them are seen */
        nghttp2_option_set_user_recv_extension_type(library->option, (uint8_t)type);
    room->library = library;
    return library;
}
