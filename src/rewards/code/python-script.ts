/**
 * The script of both Python processes of a test: the checker, which has the test, and its child, which has the candidate's
 * code. Only JSON crosses between them, so that the test compares plain data of its own; what crosses alive are functions,
 * and instances of classes that the test called. An instance answers for its attributes, never for `==` or arithmetic with
 * data: those would hand it the answer that is expected.
 *
 * A value on its way is null, a boolean, a text, or one tagged record: i int · f float · c complex · b bytes · l list ·
 * t tuple · d dict · s set · z frozenset · r range · e error · g what an iterator gave · n function of the sender ·
 * N of the receiver · o instance.
 */
export const pythonScript = String.raw`
import ast, builtins, itertools, json, os, subprocess, sys

DEEPEST = 100
LONGEST_ITERATION = 1000


class Border:
    def __init__(self, reader, writer, is_checker):
        self.reader, self.writer, self.is_checker = reader, writer, is_checker
        self.count, self.is_broken = 0, False
        self.functions, self.function_ids = {}, {}
        self.objects, self.object_ids = {}, {}

    def encode(self, value, outermost=True, depth=0):
        if depth > DEEPEST:
            raise ValueError('a value nested too deep, or in a circle, cannot be compared')
        inner = lambda part: self.encode(part, False, depth + 1)
        if value is None or isinstance(value, bool): return value
        if isinstance(value, str): return str.__str__(value)
        if isinstance(value, int): return {'i': int.__format__(value, 'x')}
        if isinstance(value, float): return {'f': float.hex(value)}
        if isinstance(value, complex): return {'c': [value.real.hex(), value.imag.hex()]}
        if isinstance(value, (bytes, bytearray)): return {'b': bytes(value).hex()}
        if isinstance(value, Function): return {'N': value._id}
        if isinstance(value, Instance): return {'o': value._id}
        if id(value) in self.object_ids: return {'o': self.object_ids[id(value)]}
        for kind, types in (('l', list), ('t', tuple), ('s', set), ('z', frozenset)):
            if isinstance(value, types): return {kind: [inner(part) for part in types.__iter__(value)]}
        if isinstance(value, dict): return {'d': [[inner(key), inner(part)] for key, part in dict.items(value)]}
        if isinstance(value, range): return {'r': [value.start, value.stop, value.step]}
        if isinstance(value, BaseException): return {'e': [type(value).__name__, str(value)]}
        if type(value).__module__ == 'numpy': return inner(value.tolist())
        if hasattr(value, '__next__'): return {'g': [inner(part) for part in itertools.islice(value, LONGEST_ITERATION)]}
        if callable(value) and (outermost or self.is_checker): return {'n': self.export(value)}
        raise TypeError(f'a {type(value).__name__} cannot be compared')

    def export(self, function):
        # The function is kept, so that its id is not given to another one.
        if id(function) not in self.function_ids:
            self.count += 1
            self.function_ids[id(function)] = self.count
            self.functions[self.count] = function
        return self.function_ids[id(function)]

    def decode(self, wire, outermost=True):
        if not isinstance(wire, dict): return wire
        (kind, body), = wire.items()
        inner = lambda part: self.decode(part, False)
        if kind == 'i': return int(body, 16)
        if kind == 'f': return float.fromhex(body)
        if kind == 'c': return complex(*map(float.fromhex, body))
        if kind == 'b': return bytes.fromhex(body)
        if kind == 'l': return [inner(part) for part in body]
        if kind == 't': return tuple(inner(part) for part in body)
        if kind == 's': return {inner(part) for part in body}
        if kind == 'z': return frozenset(inner(part) for part in body)
        if kind == 'd': return {inner(key): inner(part) for key, part in body}
        if kind == 'r': return range(*body)
        if kind == 'e': return error_of(*body)
        if kind == 'g': return iter([inner(part) for part in body])
        if kind == 'N': return self.functions[body]
        if kind == 'o': return self.objects[body]
        if kind == 'n' and (outermost or not self.is_checker): return Function(self, body)
        raise TypeError('a value of this kind cannot be compared')

    def send(self, message):
        try:
            self.writer.write(json.dumps(message) + '\n')
            self.writer.flush()
        except OSError:
            pass  # The other side has ended; reading says so.

    def receive(self):
        line = self.reader.readline()
        if not line:
            self.is_broken = True
            raise EOFError('the process of the code has ended')
        return json.loads(line)

    def ask(self, op, args=(), kwargs={}, **request):
        sent = [self.encode(arg) for arg in args]
        self.send({'op': op, **request, 'args': sent, 'kwargs': {key: self.encode(arg) for key, arg in kwargs.items()}})
        reply = self.receive()
        while 'op' in reply:
            self.send(self.serve(reply))
            reply = self.receive()
        if 'thrown' in reply: raise error_of(*reply['thrown'])
        for arg, before, after in zip(args, sent, reply['args']):
            if after is not None and after != before: refill(arg, self.decode(after, False))
        return reply

    def serve(self, request):
        try:
            args = [self.decode(wire) for wire in request['args']]
            kwargs = {key: self.decode(wire) for key, wire in request['kwargs'].items()}
            extra = {}
            if request['op'] == 'call':
                function = self.functions[request['id']]
                value = function(*args, **kwargs)
                if isinstance(function, type) and not self.is_checker:
                    self.objects[request['object']] = value
                    self.object_ids[id(value)] = request['object']
                    value, extra = None, {'made': True}
            elif self.is_checker:
                raise TypeError('not for the candidate')
            else:
                value = getattr(self, 'do_' + request['op'])(request, *args)
            can_change = lambda wire: isinstance(wire, dict) and next(iter(wire)) in 'lds'
            after = [self.encode(arg) if can_change(wire) else None for arg, wire in zip(args, request['args'])]
            return {'value': self.encode(value), 'args': after, **extra}
        except BaseException as error:
            return {'thrown': [type(error).__name__, str(error)]}

    def owner(self, request):
        return self.objects[request['object']] if 'object' in request else self.functions[request['id']]

    def do_known(self, request): return request['name'] in self.namespace
    def do_name(self, request): return self.namespace[request['name']]
    def do_get(self, request): return getattr(self.owner(request), request['name'])
    def do_set(self, request, value): setattr(self.owner(request), request['name'], value)
    def do_item(self, request, key): return self.owner(request)[key]
    def do_set_item(self, request, key, value): self.owner(request)[key] = value
    def do_length(self, request): return len(self.owner(request))
    def do_iterate(self, request): return iter(list(itertools.islice(self.owner(request), LONGEST_ITERATION)))
    def do_text(self, request): return str(self.owner(request))
    def do_truth(self, request): return bool(self.owner(request))
    def do_equal(self, request): return bool(self.owner(request) == self.objects[request['other']])


class Function:
    """A function or class of the other side."""
    def __init__(self, border, id):
        self._border, self._id = border, id

    def __call__(self, *args, **kwargs):
        border = self._border
        border.count += 1
        number = border.count
        reply = border.ask('call', args, kwargs, id=self._id, object=number)
        if border.is_checker and reply.get('made') is True:
            border.objects[number] = Instance(border, number)
            return border.objects[number]
        return border.decode(reply['value'])

    def __getattr__(self, name):
        return self._border.decode(self._border.ask('get', id=self._id, name=name)['value'])


class Instance:
    """An object that a class of the candidate made."""
    def __init__(self, border, id):
        self.__dict__.update(_border=border, _id=id)

    def _ask(self, op, *args, **request):
        return self._border.decode(self._border.ask(op, args, object=self._id, **request)['value'])

    def __getattr__(self, name): return self._ask('get', name=name)
    def __setattr__(self, name, value): self._ask('set', value, name=name)
    def __getitem__(self, key): return self._ask('item', key)
    def __setitem__(self, key, value): self._ask('set_item', key, value)
    def __len__(self): return self._ask('length')
    def __iter__(self): return self._ask('iterate')
    def __str__(self): return self._ask('text')
    def __repr__(self): return self._ask('text')
    def __bool__(self): return self._ask('truth')
    def __call__(self, *args): return self._ask('get', name='__call__')(*args)
    def __hash__(self): return self._id
    def __eq__(self, other): return isinstance(other, Instance) and self._ask('equal', other=other._id)


def error_of(name, text):
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try: return kind(text)
        except TypeError: pass
    return type(name, (Exception,), {})(text)


def refill(original, changed):
    if isinstance(original, list): original[:] = changed
    elif isinstance(original, dict): original.clear() or original.update(changed)
    elif isinstance(original, set): original.clear() or original.update(changed)


def plain(value):
    """JSON knows lists alone."""
    if isinstance(value, (list, tuple)): return [plain(part) for part in value]
    if isinstance(value, dict): return {key: plain(part) for key, part in value.items()}
    return value


def be_candidate():
    reader, writer = os.fdopen(os.dup(0), encoding='utf8'), os.fdopen(os.dup(1), 'w', encoding='utf8')
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2): os.dup2(nothing, fd)
    border = Border(reader, writer, False)
    border.namespace = {'__name__': 'candidate'}
    code = border.receive()['code']
    try:
        exec(compile(code, 'candidate.py', 'exec'), border.namespace)
        border.send({'value': None})
    except BaseException as error:
        border.send({'thrown': [type(error).__name__, str(error)]})
    while True: border.send(border.serve(border.receive()))


def free_names(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - set(dir(builtins))


def run_assertion(border, source):
    tree = ast.parse(source)
    scope = {'__name__': 'test'}
    for name in free_names(tree):
        if border.ask('known', name=name)['value'] is not True: continue
        if name in sys.stdlib_module_names: scope[name] = __import__(name)
        else: scope[name] = border.decode(border.ask('name', name=name)['value'])
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        return eval(compile(ast.Expression(tree.body[0].value), 'test', 'eval'), scope) is not False
    exec(compile(tree, 'test', 'exec'), scope)
    return True


def run_call(border, test):
    function = border.decode(border.ask('name', name=test['function'])['value'])
    return plain(function(*test['input'])) == test['output']


def verdict_of(border, code, test):
    if test['kind'] == 'assertion':
        try: ast.parse(test['source'])
        except SyntaxError as error: return 'broken', str(error)
    border.send({'code': code})
    loaded = border.receive()
    if 'thrown' in loaded: return out_of_memory(loaded['thrown'][0]) or 'doesNotRun', ': '.join(loaded['thrown'])
    try:
        right = run_assertion(border, test['source']) if test['kind'] == 'assertion' else run_call(border, test)
        if right and not border.is_broken: return 'passed', ''
        return 'failed', 'another answer'
    except BaseException as error:
        return out_of_memory(type(error).__name__) or 'failed', f'{type(error).__name__}: {error}'


def out_of_memory(name):
    return 'outOfMemory' if name == 'MemoryError' else None


def be_checker():
    job = json.loads(sys.stdin.readline())
    child = subprocess.Popen([sys.executable, '-I', __file__, 'candidate'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding='utf8')
    try: verdict, reason = verdict_of(Border(child.stdout, child.stdin, True), job['code'], job['test'])
    except EOFError as error: verdict, reason = 'doesNotRun', str(error)
    child.kill()
    print(json.dumps({'nonce': job['nonce'], 'verdict': verdict, 'reason': reason}))


be_candidate() if sys.argv[1:] == ['candidate'] else be_checker()
`;
