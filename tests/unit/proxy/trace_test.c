/* Trace contexts: what is read, what is not, and what is made. */
#include "proxy/trace.h"

#include "base/err.h"
#include "tests/unit/balance/balance_helper.h"

#define ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void trace_reads_its_field(void **state)
{
    static const struct {
        const char *value;
        bool valid, sampled;
    } cases[] = {
        {"00-" ID "-" SPAN "-01", true, true},
        {"00-" ID "-" SPAN "-00", true, false},
        {"00-" ID "-" SPAN "-03", true, true},
        {"cc-" ID "-" SPAN "-01", true, true},
        {"cc-" ID "-" SPAN "-01-what-comes", true, true},
        {"cc-" ID "-" SPAN "-01.what-comes", false, false},
        {"00-" ID "-" SPAN "-01-", false, false},
        {"ff-" ID "-" SPAN "-01", false, false},
        {"00-" ID "-" SPAN "-0", false, false},
        {"00-" ID "-" SPAN "-0g", false, false},
        {"00-" ID "-" SPAN "_01", false, false},
        {"00_" ID "-" SPAN "-01", false, false},
        {"00-" ID "_" SPAN "-01", false, false},
        {"00-0AF7651916cd43dd8448eb211c80319c-" SPAN "-01", false, false},
        {"00-00000000000000000000000000000000-" SPAN "-01", false, false},
        {"00-" ID "-0000000000000000-01", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct trace trace;
        assert_int_equal(trace_read(str_of(cases[i].value), &trace) == 0, cases[i].valid);
        if (!cases[i].valid)
            continue;
        char hex[2 * TRACE_ID_BYTES];
        assert_int_equal(trace.sampled, cases[i].sampled);
        trace_hex(hex, trace.id, TRACE_ID_BYTES);
        assert_memory_equal(hex, ID, sizeof(hex));
        trace_hex(hex, trace.parent, TRACE_SPAN_BYTES);
        assert_memory_equal(hex, SPAN, 2 * TRACE_SPAN_BYTES);
    }
}

static void trace_prints_what_can_be_read(void **state)
{
    struct rand_gen rand;
    struct trace trace, read;
    char out[TRACE_PARENT_CHARS];

    rand_seed(&rand, 7);
    for (int i = 0; i < 100; i++) {
        trace_begin(&trace, 50, &rand);
        trace_take_span(&trace, &rand);
        assert_true(trace_is_zero(trace.parent, TRACE_SPAN_BYTES));
        trace_print(&trace, out);
        assert_int_equal(trace_read(str_slice(out, sizeof(out)), &read), 0);
        assert_memory_equal(read.id, trace.id, TRACE_ID_BYTES);
        assert_memory_equal(read.parent, trace.span, TRACE_SPAN_BYTES);
        assert_int_equal(read.sampled, trace.sampled);
    }
}

static void trace_samples_a_share(void **state)
{
    static const uint32_t ratios[] = {0, 1, 10, 50, 99, 100};
    struct rand_gen rand;
    struct trace trace;

    rand_seed(&rand, 7);
    for (size_t r = 0; r < ARRAY_SIZE(ratios); r++) {
        uint32_t sampled = 0, all = 20000;
        for (uint32_t i = 0; i < all; i++) {
            trace_begin(&trace, ratios[r], &rand);
            sampled += trace.sampled;
        }
        uint32_t wanted = all / 100 * ratios[r], off = sampled > wanted ? sampled - wanted : wanted - sampled;
        assert_true(ratios[r] % 100 == 0 ? off == 0 : off < all / 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_reads_its_field),
        cmocka_unit_test(trace_prints_what_can_be_read),
        cmocka_unit_test(trace_samples_a_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
