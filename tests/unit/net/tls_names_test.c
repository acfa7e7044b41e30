/* Which certificate a name leads to. */
#include "net/tls_names.h"

#include <openssl/pem.h>

#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"

static void add_kind(struct tls_names *names, const char *alternatives, size_t index, int kind)
{
    struct tls_files files;
    tls_files_create(&files, alternatives, 30);
    BIO *in = BIO_new_mem_buf(files.chain.bytes.p, (int)files.chain.bytes.n);
    assert_non_null(in);
    X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
    assert_non_null(certificate);
    assert_int_equal(tls_names_add(names, certificate, index, kind), 0);
    X509_free(certificate);
    BIO_free(in);
}

static void add(struct tls_names *names, const char *alternatives, size_t index)
{
    add_kind(names, alternatives, index, 1);
}

static void test_names_are_found(void **state)
{
    static const struct {
        const char *name;
        int index;
    } cases[] = {
        {"a.example", 1},       {"A.Example", 1},      {"a.example.", 1}, {"b.example", 0},   {"x.b.example", 2},
        {"exact.b.example", 0}, {"x.y.b.example", -1}, {"example", -1},   {".b.example", -1}, {"", -1},
        {"common.example", 3},  {"*.b.example", 2},
    };
    struct tls_names *names;
    size_t found[TLS_NAMES_KINDS];
    assert_int_equal(tls_names_create(&names), 0);
    add(names, "DNS:b.example,DNS:exact.b.example,IP:127.0.0.1", 0);
    add(names, "DNS:A.example,DNS:b.example", 1);
    add(names, "DNS:*.b.example", 2);
    add(names, NULL, 3);
    tls_names_sort(names);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t count = tls_names_find(names, str_of(cases[i].name), found);
        assert_int_equal(count ? (int)found[0] : -1, cases[i].index);
        assert_in_range(count, 0, 1);
    }
    tls_names_destroy(&names);
    assert_null(names);
}

static void test_certificates_without_a_name_of_their_own(void **state)
{
    struct tls_names *names;
    bool found[4] = {false};
    assert_int_equal(tls_names_create(&names), 0);
    add(names, "DNS:a.example,DNS:b.example", 0);
    add(names, "DNS:b.example,DNS:c.example", 1);
    add(names, "DNS:B.example,DNS:a.example", 2);
    add(names, "DNS:*.example", 3);
    tls_names_sort(names);
    tls_names_mark(names, found);
    assert_true(found[0] && found[1] && !found[2] && found[3]);
    tls_names_destroy(&names);
}

static void test_one_certificate_of_each_kind(void **state)
{
    struct tls_names *names;
    size_t found[TLS_NAMES_KINDS];
    bool chosen[5] = {false};
    assert_int_equal(tls_names_create(&names), 0);
    add_kind(names, "DNS:z.example,DNS:a.example,DNS:b.example", 0, 1);
    add_kind(names, "DNS:a.example", 1, 1);
    add_kind(names, "DNS:a.example,DNS:c.example", 2, 2);
    add_kind(names, "DNS:z.example,DNS:a.example", 3, 2);
    add_kind(names, "DNS:b.example", 4, 3);
    tls_names_sort(names);
    tls_names_mark(names, chosen);
    assert_true(chosen[0] && !chosen[1] && chosen[2] && chosen[3] && chosen[4]);
    assert_int_equal(tls_names_find(names, STR("a.example"), found), 2);
    assert_true(found[0] == 0 && found[1] == 2);
    assert_int_equal(tls_names_find(names, STR("c.example"), found), 1);
    assert_int_equal(found[0], 2);
    assert_int_equal(tls_names_find_others(names, found), 2);
    assert_true(found[0] == 0 && found[1] == 3);
    tls_names_destroy(&names);
}

static void test_the_first_is_for_others_without_a_name_too(void **state)
{
    struct tls_names *names;
    size_t found[TLS_NAMES_KINDS];
    assert_int_equal(tls_names_create(&names), 0);
    add(names, "IP:127.0.0.1", 0);
    add(names, "DNS:a.example", 1);
    tls_names_sort(names);
    assert_int_equal(tls_names_find_others(names, found), 1);
    assert_int_equal(found[0], 0);
    tls_names_destroy(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found),
        cmocka_unit_test(test_certificates_without_a_name_of_their_own),
        cmocka_unit_test(test_one_certificate_of_each_kind),
        cmocka_unit_test(test_the_first_is_for_others_without_a_name_too),
    };
    return cmocka_run_group_tests_name("tls_names", tests, NULL, NULL);
}
