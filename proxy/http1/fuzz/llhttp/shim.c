/* Runs llhttp over one buffer and reports what it found through one function, so
 * that the Rust side does not depend on the layout of llhttp's structs, which
 * differs between its versions. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "llhttp.h"

enum event {
  EVENT_BEGIN,
  EVENT_TARGET,
  EVENT_NAME,
  EVENT_NAME_END,
  EVENT_VALUE,
  EVENT_VALUE_END,
  EVENT_METHOD,  /* once the head is complete; also for answers, then without meaning */
  EVENT_STATUS,  /* the length is the status */
  EVENT_UPGRADE, /* the message is followed by another protocol */
  EVENT_BODY,
  EVENT_END,
};

typedef void (*report_fn)(void* sink, int event, const char* at, size_t length);

struct run {
  void* sink;
  report_fn report;
};

static int report(llhttp_t* parser, int event, const char* at, size_t length) {
  const struct run* run = parser->data;
  run->report(run->sink, event, at, length);
  return 0;
}

static int on_begin(llhttp_t* p) { return report(p, EVENT_BEGIN, "", 0); }
static int on_target(llhttp_t* p, const char* at, size_t n) { return report(p, EVENT_TARGET, at, n); }
static int on_name(llhttp_t* p, const char* at, size_t n) { return report(p, EVENT_NAME, at, n); }
static int on_name_end(llhttp_t* p) { return report(p, EVENT_NAME_END, "", 0); }
static int on_value(llhttp_t* p, const char* at, size_t n) { return report(p, EVENT_VALUE, at, n); }
static int on_value_end(llhttp_t* p) { return report(p, EVENT_VALUE_END, "", 0); }
static int on_body(llhttp_t* p, const char* at, size_t n) { return report(p, EVENT_BODY, at, n); }
static int on_end(llhttp_t* p) { return report(p, EVENT_END, "", 0); }

static int is_response_304(const llhttp_t* p) {
  return p->type == HTTP_RESPONSE && p->status_code == 304;
}

static int on_head(llhttp_t* p) {
  const char* method = llhttp_method_name((llhttp_method_t) p->method);
  report(p, EVENT_METHOD, method, strlen(method));
  report(p, EVENT_STATUS, "", p->status_code);
  if (p->upgrade) report(p, EVENT_UPGRADE, "", 0);
  /* llhttp leaves it to its caller to know that a 304 has no body whatever its length says. */
  return is_response_304(p) ? 1 : 0;
}

/* Returns the name of llhttp's error, "HPE_OK" for none. */
const char* second_parser_run(int is_response, const char* data, size_t length, void* sink,
                              report_fn report) {
  llhttp_settings_t settings;
  llhttp_t parser;
  struct run run = {sink, report};
  llhttp_settings_init(&settings);
  settings.on_message_begin = on_begin;
  settings.on_url = on_target;
  settings.on_header_field = on_name;
  settings.on_header_field_complete = on_name_end;
  settings.on_header_value = on_value;
  settings.on_header_value_complete = on_value_end;
  settings.on_headers_complete = on_head;
  settings.on_body = on_body;
  settings.on_message_complete = on_end;
  llhttp_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
  parser.data = &run;
  return llhttp_errno_name(llhttp_execute(&parser, data, length));
}
