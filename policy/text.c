/*
 * text.c: growing strings and the character classes of main.cf.
 */
#include "policy/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No memory: say so and stop. */
static _Noreturn void out_of_memory(void)
{
    fputs("gatepost: out of memory while reading configuration\n", stderr);
    abort();
}

void *text_alloc(size_t count, size_t size)
{
    void *pointer = calloc(count == 0 ? 1 : count, size);

    if (pointer == NULL)
        out_of_memory();
    return pointer;
}

void *text_resize(void *pointer, size_t count, size_t size)
{
    pointer = reallocarray(pointer, count == 0 ? 1 : count, size);
    if (pointer == NULL)
        out_of_memory();
    return pointer;
}

char *text_copy_n(const char *bytes, size_t length)
{
    char *copy = text_alloc(length + 1, 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

char *text_copy(const char *string)
{
    return text_copy_n(string, strlen(string));
}

/* Make room for LENGTH more bytes and the final NUL. */
static void text_reserve(struct text *text, size_t length)
{
    if (length < text->capacity - text->length)
        return;
    if (length > SIZE_MAX / 2 - text->length - 1)
        out_of_memory();
    text->capacity = (text->length + length + 1) * 2;
    text->data = text_resize(text->data, text->capacity, 1);
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    text_reserve(text, length);
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_add_char(struct text *text, char c)
{
    text_add(text, &c, 1);
}

void text_format(struct text *text, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int length = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (length < 0)
        return;
    text_reserve(text, (size_t)length);
    va_start(ap, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, ap);
    va_end(ap);
    text->length += (size_t)length;
}

char *text_take(struct text *text)
{
    char *data = text->data != NULL ? text->data : text_copy("");

    *text = (struct text){0};
    return data;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

bool text_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_is_name(char c)
{
    return text_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

const char *text_next(const char **cursor, const char *separators, bool braces, size_t *length)
{
    const char *start = *cursor + strspn(*cursor, separators);
    const char *end = start;
    unsigned level = 0;

    for (; *end != '\0'; end++) {
        if (braces && *end == '{')
            level++;
        else if (braces && *end == '}' && level > 0)
            level--;
        else if (level == 0 && strchr(separators, *end) != NULL)
            break;
    }
    *cursor = end;
    *length = (size_t)(end - start);
    return end > start ? start : NULL;
}
