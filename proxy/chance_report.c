#include "proxy/chance_report.h"

#include <stdlib.h>

#include "proxy/control.h"
#include "proxy/monotonic.h"

void chance_report_print(const struct second_chance *chance, const struct service *service,
                         FILE *out)
{
    if (service->second == NULL)
        return;
    struct second_chance_counts counts =
        second_chance_count(chance, &service->chance_rules, (uint32_t)monotonic_seconds());
    fprintf(out, "second chances: %u addresses now, begun %llu, used by sessions %llu\n",
            counts.present, (unsigned long long)counts.begun, (unsigned long long)counts.used);
}

void chance_report_json(const struct second_chance *chance, const struct service *service,
                        struct json *json)
{
    if (service->second == NULL)
        return;
    struct second_chance_counts counts =
        second_chance_count(chance, &service->chance_rules, (uint32_t)monotonic_seconds());
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
            service->second != NULL ? second_chance_left(chance, &service->chance_rules, &client,
                                                         (uint32_t)monotonic_seconds())
                                    : 0);
    return true;
}

long chance_report_ask(const char *socket, const char *address)
{
    char command[CONTROL_LINE_MAX];
    char *text;

    snprintf(command, sizeof(command), CHANCE_REPORT_COMMAND "%s", address);
    int status = control_ask_text(socket, command, &text);
    long seconds = status == 0 ? strtol(text, NULL, 10) : -1;
    free(text);
    return seconds;
}
