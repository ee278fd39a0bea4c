#include "proxy/extensions.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *keyword;
    const char *parameters;
} extensions[EXTENSION_COUNT] = {
#define X(id, keyword, parameters) {keyword, parameters},
    EXTENSIONS(X)
#undef X
};

unsigned extension_announced(const char *keyword, size_t length)
{
    for (unsigned i = 0; i < EXTENSION_COUNT; i++)
        if (strlen(extensions[i].keyword) == length &&
            strncasecmp(extensions[i].keyword, keyword, length) == 0)
            return 1u << i;
    return 0;
}

/* Is WORD (LENGTH bytes) one of NAMES, each of which is followed by a blank? */
static bool is_listed(const char *names, const char *word, size_t length)
{
    while (*names != '\0') {
        size_t name = strcspn(names, " ");
        if (name == length && strncasecmp(names, word, length) == 0)
            return true;
        names += name + 1;
    }
    return false;
}

/* The extension that a parameter, "NAME=value" or "NAME", belongs to. */
static unsigned extension_of_parameter(const char *parameter, size_t length)
{
    const char *equals = memchr(parameter, '=', length);
    size_t name = equals != NULL ? (size_t)(equals - parameter) : length;

    for (unsigned i = 0; i < EXTENSION_COUNT; i++)
        if (is_listed(extensions[i].parameters, parameter, name))
            return 1u << i;
    return 0;
}

unsigned extensions_used(const struct smtp_command *command)
{
    const char *text = command->args;
    unsigned used = 0;
    size_t begin;
    size_t length;

    for (size_t at = smtp_path_end(command);
         (length = smtp_next_word(text, command->args_length, at, &begin)) > 0; at = begin + length)
        used |= extension_of_parameter(text + begin, length);
    return used;
}

const char *extension_name(unsigned set)
{
    for (unsigned i = 0; i < EXTENSION_COUNT; i++)
        if ((set & (1u << i)) != 0)
            return extensions[i].keyword;
    return "";
}
