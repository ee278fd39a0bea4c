#include "proxy/chance_report.h"

#include <stdlib.h>
#include <time.h>

#include "proxy/control.h"

/* The clock of the sessions (limits.h). */
static uint32_t clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec;
}

void chance_report_print(const struct second_chance *chance, const struct service *service,
                         FILE *out)
{
    if (service->second == NULL)
        return;
    struct second_chance_counts counts =
        second_chance_count(chance, &service->chance_rules, clock_now());
    fprintf(out, "second chances: %u addresses now, begun %llu, used by sessions %llu\n",
            counts.present, (unsigned long long)counts.begun, (unsigned long long)counts.used);
}

void chance_report_json(const struct second_chance *chance, const struct service *service,
                        struct json *json)
{
    if (service->second == NULL)
        return;
    struct second_chance_counts counts =
        second_chance_count(chance, &service->chance_rules, clock_now());
    json_object(json, "second_chance");
    json_number(json, "addresses", counts.present);
    json_number(json, "begun", (long long)counts.begun);
    json_number(json, "sessions", (long long)counts.used);
    json_end_object(json);
}

bool chance_report_answer(const struct second_chance *chance, const struct service *service,
                          const char *address, FILE *out)
{
    struct client_address client;

    if (!client_address_parse(&client, address))
        return false;
    fprintf(out, "%u\n",
            service->second != NULL
                ? second_chance_left(chance, &service->chance_rules, &client, clock_now())
                : 0);
    return true;
}

long chance_report_ask(const char *socket, const char *address)
{
    char command[CONTROL_LINE_MAX];
    char *text = NULL;
    char *complaint = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    FILE *error = open_memstream(&complaint, &length);

    if (out == NULL || error == NULL)
        abort();
    snprintf(command, sizeof(command), CHANCE_REPORT_COMMAND "%s", address);
    int status = control_ask(socket, command, out, error);
    fclose(out);
    fclose(error);
    long seconds = status == 0 ? strtol(text, NULL, 10) : -1;
    free(text);
    free(complaint);
    return seconds;
}
