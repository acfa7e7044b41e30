/* The memory that the HTTP/2 library gets, and what becomes of it when some is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/h2_library.h"

enum { MOST = 4096 };

static struct h2_room room;
static struct h2_session h2;

static nghttp2_mem begin(void)
{
    h2_room_init(&room, 1, MOST);
    h2 = (struct h2_session){.room = &room};
    list_init(&h2.pieces);
    return h2_library_memory(&h2);
}

static void test_counted(void **state)
{
    nghttp2_mem memory = begin();
    void *a = memory.malloc(100, memory.mem_user_data), *b = memory.calloc(10, 20, memory.mem_user_data);
    assert_int_equal(room.library_bytes, 300);
    a = memory.realloc(a, 150, memory.mem_user_data);
    assert_int_equal(room.library_bytes, 350);
    memory.free(a, memory.mem_user_data);
    memory.free(b, memory.mem_user_data);
    assert_int_equal(room.library_bytes, 0);
    assert_false(h2.starved);
    h2_room_fini(&room);
}

/* What is short comes from the slab of its size, is given back there, and keeps its bytes when it moves to another. */
static void test_sizes(void **state)
{
    nghttp2_mem memory = begin();
    char *piece = memory.malloc(1, memory.mem_user_data);
    assert_int_equal(room.pieces[0].used, 1);
    memory.free(piece, memory.mem_user_data);
    assert_int_equal(room.pieces[0].used, 0);
    piece = NULL;
    for (size_t n = 1; n <= 1200; n++) {
        piece = memory.realloc(piece, n, memory.mem_user_data);
        assert_non_null(piece);
        piece[n - 1] = (char)n;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(piece[i], (char)(i + 1));
        size_t used = 0;
        for (size_t i = 0; i < H2_PIECE_SIZES; i++)
            used += room.pieces[i].used;
        assert_true(used <= 1);
        assert_int_equal(room.library_bytes, n);
    }
    memory.free(piece, memory.mem_user_data);
    for (size_t i = 0; i < H2_PIECE_SIZES; i++)
        assert_int_equal(room.pieces[i].used_max, 2); /* while its bytes moved */
    h2_room_fini(&room);
}

/* From the first refusal on nothing is given back before the end: 1.52 may give it back again. */
static void test_refused(void **state)
{
    nghttp2_mem memory = begin();
    void *a = memory.malloc(100, memory.mem_user_data);
    assert_non_null(a);
    assert_null(memory.malloc(MOST, memory.mem_user_data));
    assert_true(h2.starved);
    memory.free(a, memory.mem_user_data);
    memory.free(a, memory.mem_user_data);
    assert_int_equal(room.library_bytes, 100);
    h2_library_end(&h2);
    assert_int_equal(room.library_bytes, 0);
    h2_room_fini(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counted), cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("h2_room", tests, NULL, NULL);
}
