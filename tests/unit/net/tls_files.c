/* Made with the library itself: unit tests start no programs. */
#include "tests/unit/net/tls_files.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/assert.h"

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
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        ASSERT(extension && X509_add_ext(certificate, extension, -1) == 1);
        X509_EXTENSION_free(extension);
    }
    ASSERT(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

void tls_files_create(struct tls_files *files, const char *names, int days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
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
