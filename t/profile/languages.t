# Memory that others' code allocates is blamed on the module that LoadModule loaded: a perl handler, a lua script and a python
# application that keep what they should not, a library (libjansson) and httpd's own ap_pregcomp() that a module calls. Beside
# them the same languages with scripts that keep nothing: no finding. All servers run at once.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'once is enough: on prefork and on event' if mpm() eq 'worker';
plan skip_all => 'the sanitizer brings a heap of its own' if stage()->{san};
my $libexec = stage()->{libexec};
my $prefork = mpm() eq 'prefork';
my $limits = $prefork ? "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nServerLimit 1\nMaxRequestWorkers 1\n" : "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nThreadLimit 4\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxRequestWorkers 4\n";
my @all;

# o: id, and what of it is said; conf(dir): directives; files: name => text; path: what is asked for
sub server {
    my ($name, %o) = @_;
    my $s = PST::Server->new("lang-$name", limits => $limits);
    mkdir "$s->{dir}/app";
    PST::Stage::write_file("$s->{dir}/app/$_", $o{files}{$_}) for keys %{ $o{files} // {} };
    $s->write_conf(limits => $limits, conf => $o{conf} ? $o{conf}->("$s->{dir}/app") . "<Directory $s->{dir}/app>\nRequire all granted\n</Directory>\n" : '');
    push @all, { name => $name, s => $s, %o } if ok($s->start, "$name: a server") || diag($s->start_text . $s->log_text);
}

sub perl_conf {
    my ($dir) = @_;
    return "LoadModule perl_module $libexec/mod_perl.so\nPerlSwitches -I$dir\nPerlModule App\n" . ($prefork ? '' : "PerlInterpMaxRequests 1000000\n") . "<Location /app>\nSetHandler modperl\nPerlResponseHandler App\n</Location>\n";
}
my $perl = "package App;\nuse strict;\nuse Apache2::RequestRec ();\nuse Apache2::RequestIO ();\nour \@kept;\nsub handler { my \$r = shift; my \@a = map { 'x' x 5000 . \$_ } 1 .. 3; %s \$r->print('ok'); return 0 }\n1;\n";
my $lua = "kept = kept or {}\nfunction handle(r)\n  local a = {}\n  for i = 1, 15 do a[i] = string.rep('x', 1000) .. i .. tostring(r.request_time) end\n  %s\n  r:puts('ok')\n  return apache2.OK\nend\n";
my $python = "kept = []\ndef application(environ, start_response):\n    a = [b'x' * 5000 for i in range(3)]\n    a = [x + b'y' for x in a]\n    %s\n    start_response('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n";

# With threads mod_perl ends an interpreter after some thousand requests, and frees what its scripts kept: unless it is told not to, that comes and
# goes, and no growth stays.
SKIP: {
    skip lacks('libapache2-mod-perl2') || 'not here: libapache2-mod-perl2', 2 unless -e "$libexec/mod_perl.so";
    server('perl', conf => \&perl_conf, files => { 'App.pm' => sprintf $perl, 'push @kept, \@a;' }, path => '/app', blamed => 'mod_perl.so', through => qr/libperl/);
    server('perl-good', conf => \&perl_conf, files => { 'App.pm' => sprintf $perl, '' }, path => '/app');
}
SKIP: {
    last if $prefork;
    skip 'not here: mod_lua', 2 unless -e "$libexec/mod_lua.so";
    my $conf = sub { "LoadModule lua_module $libexec/mod_lua.so\nLuaScope thread\nLuaMapHandler /app $_[0]/app.lua handle\n" };
    server('lua', conf => $conf, files => { 'app.lua' => sprintf $lua, 'kept[#kept + 1] = a' }, path => '/app', blamed => 'mod_lua.so', through => qr/liblua/);
    server('lua-good', conf => $conf, files => { 'app.lua' => sprintf $lua, '' }, path => '/app');
}
SKIP: {
    last if $prefork;
    skip lacks('libapache2-mod-wsgi-py3') || 'not here: libapache2-mod-wsgi-py3', 2 unless -e "$libexec/mod_wsgi.so";
    my $conf = sub { "LoadModule wsgi_module $libexec/mod_wsgi.so\nWSGIScriptAlias /app $_[0]/app.py\n" };
    server('python', conf => $conf, files => { 'app.py' => sprintf $python, 'kept.append(a)' }, path => '/app', blamed => 'mod_wsgi.so', through => qr/libpython/);
    server('python-good', conf => $conf, files => { 'app.py' => sprintf $python, 'pass' }, path => '/app');
}
if (!$prefork) {
    server('regex', path => '/poolprobe?lose=regex&heap=6&output=2', blamed => 'mod_poolprobe.so', by => qr/ap_pregcomp/, site => qr/poolprobe_lose/);
    server('json', path => '/poolprobe?lose=json&heap=12&output=2', blamed => 'mod_poolprobe.so', through => qr/libjansson/, site => qr/poolprobe_lose/);
}
my ($json) = grep { $_->{name} eq 'json' } @all;
if ($json && $json->{s}->fetch($json->{path})->{status} == 501) {
    @all = grep { $_ != $json } @all;
    $json->{s}->stop;
  SKIP: { skip 'not here: libjansson4', 1 }
}
is($_->{s}->fetch($_->{path})->{status}, 200, "$_->{name} answers") or diag($_->{s}->log_text) for @all;

sub heap_finding { my ($json) = @_; my ($f) = grep { $_->{id} =~ /^heap-in-use-grows/ } @{ $json->{findings} }; return $f }
my ($begun, $looked) = (time, 0);
while (time < $begun + 100 && grep { $_->{blamed} && !$_->{told} } @all) {
    for my $one (@all) {
        if ($prefork) {
            $one->{bad}++ unless $one->{s}->fetch($one->{path})->{status} == 200;
            next;
        }
        my $c = $one->{c} //= PST::Conn->new($one->{s}->port);
        $one->{bad}++, delete $one->{c} unless $c && $c->get($one->{path}) && $c->response->{status} == 200;
    }
    sleep 0.03;
    next if time < $looked + 3;
    $looked = time;
    for my $one (@all) {
        my $json = $one->{s}->json;
        my $f = heap_finding($json);
        $one->{told} //= { %$f, after => int($looked - $begun) } if $f && $f->{blamed};
        $one->{others}{ $_->{id} }++ for grep { !$one->{blamed} || $_->{id} !~ /grow/ } @{ $json->{findings} };
    }
}
for my $one (@all) {
    my $f = $one->{told};
    is($one->{bad} // 0, 0, "$one->{name}: all answered");
    is(join(' ', sort keys %{ $one->{others} // {} }), '', "$one->{name}: nothing else is found");
    next unless $one->{blamed};
    ok($f, "$one->{name}: the heap grows" . ($f ? ", told after $f->{after} s" : ''));
    diag(explain($one->{s}->json->{children}[0]{verdict}{heap})) if !$f;
    next if !$f;
    is($f->{blamed}, $one->{blamed}, "by $one->{blamed}");
    like($f->{site}, $one->{through}, 'through the library') if $one->{through};
    like($f->{site}, $one->{by}, 'by the function of httpd') if $one->{by};
    like($f->{site}, $one->{site}, 'at the function') if $one->{site};
}
# mod_wsgi's children take ten seconds to end on event, without this module, too
delete $_->{c}, $_->{s}->signal('TERM') for @all;
for my $one (@all) { is($one->{s}->stop, 0, "$one->{name} stops") }
done_testing;
