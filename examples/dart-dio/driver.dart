// A driver over stdio for a Dart client on Dio, without a kit: one file, to be read and to be copied.
//
// IT WAS NOT RUN WHERE SADPATH IS BUILT: there is no Dart there. It is written by the protocol (docs/drivers.md) and by
// Dio's documentation (version 5). What is wrong with it, `sadpath driver check --contract contract.yaml` will say.
//
// To run it: `dart create -t console .`, `dart pub add dio`, put this file in place of bin/*.dart or beside pubspec.yaml.

import 'dart:async';
import 'dart:convert';
import 'dart:io';

import 'package:dio/dio.dart';

/// Every operation as a method and a path; what is not here is `unsupported`.
const paths = {
  'users.get': ['GET', '/users/{id}'],
  'users.list': ['GET', '/users'],
  'users.create': ['POST', '/users'],
  'users.update': ['PUT', '/users/{id}'],
  'users.delete': ['DELETE', '/users/{id}'],
  'orders.list': ['GET', '/orders'],
  'orders.create': ['POST', '/orders'],
  'settings.get': ['GET', '/settings'],
};

/// The clients that live, by case.
final clients = <String, Dio>{};

void say(Map<String, dynamic> message) => stdout.writeln('@sadpath ${jsonEncode(message)}');

Future<void> main() async {
  // Everything that is printed goes to the log: lines that do not begin with `@sadpath ` are no messages.
  await for (final line in stdin.transform(utf8.decoder).transform(const LineSplitter())) {
    final message = jsonDecode(line) as Map<String, dynamic>;
    switch (message['t']) {
      case 'hello':
        say({
          't': 'hello',
          'protocol': 1,
          'client': {'name': 'dart-dio', 'version': '1.0', 'language': 'dart', 'http': 'dio 5'},
          'capabilities': ['cancel', 'call_tag'],
          'operations': ['http', ...paths.keys],
          'max_parallel': 1,
        });
      case 'ping':
        say({'t': 'pong'}); // answered while calls hang, for nothing here waits for them
      case 'reset':
        forget(message['id'] as String?);
        say({'t': 'ok'});
      case 'run':
        unawaited(run(message));
      case 'bye':
        exit(0);
    }
  }
  exit(0);
}

/// Ends the client of a case, or all of them.
void forget(String? id) {
  for (final name in id == null ? clients.keys.toList() : [id]) {
    clients.remove(name)?.close(force: true);
  }
}

/// Makes a client as your app does: put your own here.
Dio create(Map<String, dynamic> run) {
  final auth = run['auth'] as Map<String, dynamic>?;
  return Dio(BaseOptions(
    baseUrl: run['base_url'] as String,
    connectTimeout: const Duration(seconds: 2),
    receiveTimeout: const Duration(seconds: 2),
    sendTimeout: const Duration(seconds: 2),
    headers: {if (auth?['access_token'] != null) 'Authorization': 'Bearer ${auth!['access_token']}'},
  ));
}

Future<void> run(Map<String, dynamic> run) async {
  final id = run['id'] as String;
  final steps = (run['calls'] as List).cast<Map<String, dynamic>>();
  final calls = steps.expand((step) => (step['parallel'] as List?)?.cast<Map<String, dynamic>>() ?? [step]);
  for (final call in calls) {
    if (call['op'] != null && call['op'] != 'http' && !paths.containsKey(call['op'])) {
      say({'t': 'unsupported', 'id': id, 'why': 'there is no operation ${call['op']}'});
      return;
    }
  }
  if (run['continues'] == true && run['auth'] != null) {
    say({'t': 'unsupported', 'id': id, 'why': 'the session of a client that lives cannot be replaced'});
    return;
  }
  final client = clients.putIfAbsent(id, () => create(run));
  final clock = Stopwatch()..start();
  for (final step in steps) {
    if (step['parallel'] != null) {
      final together = (step['parallel'] as List).cast<Map<String, dynamic>>();
      await Future.wait([
        for (final call in together)
          for (var i = 0; i < (call['times'] as int? ?? 1); i++) make(id, client, clock, call, i),
      ]);
    } else if (step['advance_ms'] != null) {
      await Future<void>.delayed(Duration(milliseconds: (step['advance_ms'] as num).round()));
    } else if (step['op'] != null) {
      for (var i = 0; i < (step['times'] as int? ?? 1); i++) {
        await make(id, client, clock, step, i);
      }
    }
  }
  say({'t': 'result', 'id': id});
}

/// Makes one call and tells its outcome.
Future<void> make(String id, Dio client, Stopwatch clock, Map<String, dynamic> call, int i) async {
  final wait = call['start_after_ms'] as num?;
  if (wait != null) await Future<void>.delayed(Duration(milliseconds: wait.round()));
  final args = (call['args'] as Map?)?.cast<String, dynamic>() ?? {};
  final outcome = <String, dynamic>{'t': 'outcome', 'id': id, 'call': call['call'], 'i': i};
  outcome['started_ms'] = clock.elapsedMilliseconds;
  final token = CancelToken();
  void giveUp() {
    outcome['cancelled_ms'] = clock.elapsedMilliseconds;
    token.cancel();
  }

  final after = call['cancel_after_ms'] as num?;
  final timer = after == null || after == 0 ? null : Timer(Duration(milliseconds: after.round()), giveUp);
  if (after == 0) giveUp();
  try {
    final raw = call['op'] == 'http';
    final [method, path] = raw ? [args['method'] as String, args['path'] as String] : paths[call['op']]!;
    final query = {
      for (final name in ['page', 'limit', 'cursor'])
        if (args[name] != null) name: args[name],
    };
    final answer = await client.request<dynamic>(
      path.replaceFirst('{id}', Uri.encodeComponent('${args['id']}')),
      data: raw ? args['json'] : args['data'],
      queryParameters: query,
      cancelToken: token,
      options: Options(method: method, headers: {
        ...(args['headers'] as Map?)?.cast<String, dynamic>() ?? {},
        'X-Sadpath-Call': '${call['call']}/$i',
      }),
    );
    outcome['outcome'] = 'ok';
    outcome['value'] = {'status': answer.statusCode, 'json': answer.data == '' ? null : answer.data};
  } on DioException catch (error) {
    if (error.type == DioExceptionType.cancel && outcome['cancelled_ms'] != null) {
      outcome['outcome'] = 'cancelled';
    } else {
      outcome['outcome'] = 'error';
      outcome['error'] = {
        'kind': kindOf(error),
        'status': error.response?.statusCode,
        'native': 'DioException.${error.type.name}',
        'message': error.message ?? '',
      };
    }
  } catch (error) {
    outcome['outcome'] = 'error'; // what is no DioException has got past Dio's own error type
    outcome['escaped'] = true;
    outcome['error'] = {'kind': 'other', 'native': '${error.runtimeType}', 'message': '$error'};
  } finally {
    timer?.cancel();
  }
  outcome['ended_ms'] = clock.elapsedMilliseconds;
  say(outcome);
}

String kindOf(DioException error) => switch (error.type) {
      DioExceptionType.connectionTimeout => 'timeout.connect',
      DioExceptionType.sendTimeout => 'timeout.write',
      DioExceptionType.receiveTimeout => 'timeout.read',
      DioExceptionType.badCertificate => 'tls',
      DioExceptionType.connectionError => 'refused',
      DioExceptionType.badResponse => switch (error.response?.statusCode ?? 0) {
          401 => 'unauthorized',
          403 => 'forbidden',
          404 => 'not_found',
          409 => 'conflict',
          422 => 'validation',
          429 => 'rate_limited',
          >= 500 => 'server',
          _ => 'unexpected_status',
        },
      _ => error.error is FormatException ? 'decode' : 'other',
    };
