/*
 * client_address_test.c: socket addresses in all families.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/un.h>

#include "proxy/client_address.h"

struct address_case {
    int family;
    const char *text;
    uint16_t port;
    int stored;
    const char *result;
};

static const struct address_case cases[] = {
    {AF_INET, "192.0.2.1", 25, AF_INET, "192.0.2.1"},
    {AF_INET, "0.0.0.0", 0, AF_INET, "0.0.0.0"},
    {AF_INET6, "2001:db8::1", 65535, AF_INET6, "2001:db8::1"},
    {AF_INET6, "::", 1, AF_INET6, "::"},
    {AF_INET6, "::ffff:192.0.2.7", 2525, AF_INET, "192.0.2.7"},
    {AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", 1, AF_INET6,
     "2001:db8:1111:2222:3333:4444:5555:6666"},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct address_case *c = &cases[i];
        struct sockaddr_storage storage = {.ss_family = (sa_family_t)c->family};
        struct sockaddr_in *in = (struct sockaddr_in *)&storage;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
        void *bytes = c->family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr;
        assert_int_equal(inet_pton(c->family, c->text, bytes), 1);
        in->sin_port = htons(c->port); /* at the same place in both */
        struct client_address address;
        client_address_set(&address, (struct sockaddr *)&storage);
        assert_int_equal(address.family, c->stored);
        assert_int_equal(address.port, c->port);
        char text[CLIENT_ADDRESS_TEXT_MAX];
        assert_ptr_equal(client_address_text(&address, text), text);
        assert_string_equal(text, c->result);
    }
}

static void test_other_family(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/x"};
    struct client_address address;
    memset(&address, 0xff, sizeof address);
    client_address_set(&address, (struct sockaddr *)&un);
    assert_int_equal(address.family, 0);
    char text[CLIENT_ADDRESS_TEXT_MAX];
    assert_string_equal(client_address_text(&address, text), "unknown");
    assert_int_equal(sizeof address, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_other_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
