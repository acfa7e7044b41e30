/* Which certificate a name leads to. */
#include "net/tls_names.h"

#include <openssl/pem.h>

#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/tls_files.h"

static void add(struct tls_names *names, const char *alternatives, size_t index)
{
    struct tls_files files;
    tls_files_create(&files, alternatives, 30);
    BIO *in = BIO_new_mem_buf(files.chain.bytes.p, (int)files.chain.bytes.n);
    assert_non_null(in);
    X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
    assert_non_null(certificate);
    assert_int_equal(tls_names_add(names, certificate, index), 0);
    X509_free(certificate);
    BIO_free(in);
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
    size_t index;
    assert_int_equal(tls_names_create(&names), 0);
    add(names, "DNS:b.example,DNS:exact.b.example,IP:127.0.0.1", 0);
    add(names, "DNS:A.example,DNS:b.example", 1);
    add(names, "DNS:*.b.example", 2);
    add(names, NULL, 3);
    tls_names_sort(names);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool found = tls_names_find(names, str_of(cases[i].name), &index);
        assert_int_equal(found ? (int)index : -1, cases[i].index);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found),
        cmocka_unit_test(test_certificates_without_a_name_of_their_own),
    };
    return cmocka_run_group_tests_name("tls_names", tests, NULL, NULL);
}
