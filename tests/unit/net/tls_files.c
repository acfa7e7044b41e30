/* Made with the library itself: unit tests start no programs. */
#include "tests/unit/net/tls_files.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/assert.h"

static GENERAL_NAMES *read_names(const char *names)
{
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    struct str rest = str_of(names), name;
    char value[64];

    while (str_cut(&rest, ',', &name)) {
        bool dns = str_starts(name, STR("DNS:"));
        size_t skip = dns ? 4 : sizeof("IP:") - 1;
        (void)snprintf(value, sizeof(value), "%.*s", (int)(name.n - skip), name.p + skip);
        GENERAL_NAME *one = a2i_GENERAL_NAME(NULL, NULL, NULL, dns ? GEN_DNS : GEN_IPADD, value, 0);
        ASSERT(all && one && sk_GENERAL_NAME_push(all, one) > 0);
    }
    return all;
}

static X509 *sign(EVP_PKEY *key, const char *names, int days)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * days);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"common.example", -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    if (names) {
        GENERAL_NAMES *all = read_names(names);
        ASSERT(X509_add1_ext_i2d(certificate, NID_subject_alt_name, all, 0, 0) == 1);
        GENERAL_NAMES_free(all);
    }
    ASSERT(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static EVP_PKEY *make_key(int kind)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(kind, NULL);
    EVP_PKEY *key = NULL;

    ASSERT(context && EVP_PKEY_keygen_init(context) == 1);
    if (kind == EVP_PKEY_EC)
        ASSERT(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1);
    ASSERT(EVP_PKEY_keygen(context, &key) == 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static void create(struct tls_files *files, const char *names, int days, int kind)
{
    EVP_PKEY *key = make_key(kind);
    X509 *certificate = sign(key, names, days);

    FILE *out = fmemopen(files->chain_text, sizeof(files->chain_text), "w");
    ASSERT(out && PEM_write_X509(out, certificate) == 1 && fclose(out) == 0);
    out = fmemopen(files->key_text, sizeof(files->key_text), "w");
    ASSERT(out && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(out) == 0);
    files->chain = (struct tls_file){"chain.pem", str_of(files->chain_text)};
    files->key = (struct tls_file){"key.pem", str_of(files->key_text)};
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void tls_files_create(struct tls_files *files, const char *names, int days)
{
    create(files, names, days, EVP_PKEY_EC);
}

void tls_files_create_rsa(struct tls_files *files, const char *names, int days)
{
    create(files, names, days, EVP_PKEY_RSA);
}
