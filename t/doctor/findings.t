# Findings end to end, each on a server on which it is true, and on all three faces: what the four situations and the
# generations (situations.t, generations.t) have not. Servers warm up side by side: most findings need a record.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

my $prefork = mpm() eq 'prefork';
my $one = $prefork ? "StartServers 3\nMinSpareServers 1\nMaxSpareServers 3\nServerLimit 3\nMaxRequestWorkers 3\n"
  : "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my $many = $prefork ? "StartServers 3\nMinSpareServers 1\nMaxSpareServers 3\nServerLimit 1000\nMaxRequestWorkers 1000\n"
  : "StartServers 1\nServerLimit 1000\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8000\n";

sub get { my ($it, $query) = @_; return PST::fetch("/poolprobe?$query&output=2", port => $it->{server}->port)->{status} == 200 }

# A connection that is kept, once its request was answered.
sub kept {
    my ($it, $query) = @_;
    my $conn = PST::Conn->new($it->{server}->port) or return;
    $conn->get("/poolprobe?$query&output=2");
    return $conn->response->{status} == 200 ? $conn : undef;
}

# begin: once; go: again and again, four times a second or so
my %case = (
    'growing-connection' => {
        begin => sub {
            my ($it) = @_;
            $it->{conn} = PST::Conn->new($it->{server}->port);
            $it->{conn}->get('/poolprobe?stream=1000&every=50&chunk=10&leak=connection&bytes=4000', headers => ['Connection: close']);
        },
    },
    'growing-class' => {
        # always four connections, each new one with more pools than the one before: none grows, their class does
        skip => $prefork && 'a prefork child has one client connection at a time',
        go => sub {
            my ($it) = @_;
            push @{ $it->{conns} }, kept($it, 'pool=connsub&free=keep&bytes=10&tag=poolprobe-many&many=' . (20 + 4 * $it->{round}++)) // return;
            (shift @{ $it->{conns} })->close if @{ $it->{conns} } > 4;
        },
        tag => 'poolprobe-many',
    },
    'fragmentation' => {
        begin => sub { get($_[0], 'pool=child&free=keep&bytes=10&tag=poolprobe-many&many=3000') },
        tag => 'poolprobe-many',
    },
    'slots-exceeded' => {
        skip  => $prefork && 'a prefork child has one client connection at a time',
        conf  => "PoolStatConnections 2\n",
        begin => sub { my ($it) = @_; $it->{conns} = [ map { kept($it, 'pool=none') } 1 .. 4 ] },
        advice => qr/^PoolStatConnections \d+\.$/,
    },
    'not-instrumented' => { conf => "PoolStatInstrument Off\n", says => qr/PoolStatInstrument/ },
    'children-exceed-memory' => {
        limits => $many,
        begin  => sub {
            my ($it) = @_;
            my $server = $it->{server}->json->{server};
            my $each = int(1.1 * $server->{memory_limit_bytes} / $server->{children_limit});
            note("$each bytes a child are more than $server->{children_limit} of them may have");
            return $it->{impossible} = 'this machine has too much memory' if $each > 2e8;
            # to each child of prefork one; at once, so that each takes one
            my @all = map { PST::Conn->new($it->{server}->port) } 1 .. ($prefork ? 3 : 1);
            $_->get("/poolprobe?pool=child&bytes=1000000&touch=1&hold=300&output=2&pieces=" . int($each / 1e6 + 1), headers => ['Connection: close']) for @all;
            $_->response for @all;
        },
        advice => qr/^MaxRequestWorkers \d+ /,
    },
);

sub look {
    my ($s) = @_;
    my %look = (json => $s->json, page => $s->fetch('/pool-status')->{body});
    my %text = map { /^(\S+): (.*)/ ? ($1, $2) : () } split /\n/, $s->fetch('/pool-status?auto')->{body};
    $look{ids}{json} = { map { $_->{id} => 1 } @{ $look{json}{findings} } };
    $look{ids}{text} = { map { /^Finding\.\d+\.Id$/ ? ($text{$_} => 1) : () } keys %text };
    $look{ids}{page} = { map { $_ => 1 } $look{page} =~ m{<li class="(?:info|warning|critical)">.*?<code>([a-z-]+)</code>}g };
    return \%look;
}

my %left;
for my $id (sort keys %case) {
    my $it = $case{$id};
    next if $it->{skip};
    (my $name = "finding-$id") =~ tr/a-z-//cd;
    $it->{server} = PST::Server->new($name, limits => $it->{limits} // $one, conf => $it->{conf} // '');
    $it->{server}->start or BAIL_OUT("$id: " . $it->{server}->start_text . $it->{server}->log_text);
    $it->{first} = look($it->{server});
    $left{$id} = $it;
}
$_->{begin} && $_->{begin}->($_) for values %left;

my $looked = 0;
wait_for(sub {
    $_->{go} && $_->{go}->($_) for values %left;
    return 0 if time < $looked + 1;
    $looked = time;
    for my $id (keys %left) {
        $left{$id}{look} = look($left{$id}{server});
        delete $left{$id} if $left{$id}{impossible} || 3 == grep { $left{$id}{look}{ids}{$_}{$id} } qw(json text page);
    }
    return !%left;
}, 60);

for my $id (sort keys %case) {
    my $it = $case{$id};
    subtest $id => sub {
        my $why = $it->{skip} || $it->{impossible};
        plan skip_all => $why if $why;
        my $json = $it->{look}{json};
        ok($it->{look}{ids}{$_}{$id}, "found: $_") for qw(json text page);
        my ($f) = grep { $_->{id} eq $id } @{ $json->{findings} } or return diag(explain($json->{findings}));
        ok(!$it->{first}{ids}{json}{$id}, 'and not on the server as it was before') if $id ne 'not-instrumented';
        is(join(' ', grep { $_ ne $id } sort keys %{ $it->{look}{ids}{json} }), '', 'and nothing else');
        note("$f->{severity}: $f->{what} $f->{evidence} $f->{advice}");
        is($f->{tag}, $it->{tag}, 'of the class') if $it->{tag};
        like($f->{advice}, $it->{advice}, 'the directive, and a value') if $it->{advice};
        like("$f->{what} $f->{evidence} $f->{advice}", $it->{says}, 'why') if $it->{says};
        if ($f->{pid}) {
            ok((grep { $_->{pid} == $f->{pid} } @{ $json->{children} }), 'a child that is there');
        }
        if ($id eq 'growing-connection') {
            my ($row) = grep { $_->{pid} == $f->{pid} && $_->{id} == $f->{connection} } rows($json);
            ok($row, 'a connection that is there');
            is($f->{severity}, 'warning', 'no more than a warning in its first minutes');
            like($f->{evidence}, qr/if that goes on, it is [\d.]+ [KM]iB more in \d+ min/, 'and not drawn on for a day');
            like($f->{advice}, qr/poolprobe_leak/, 'by whose code');
        }
        if ($id eq 'growing-class') {
            like($f->{evidence}, qr/They are made by mod_poolprobe\.so/, 'who makes them');
            unlike($f->{advice}, qr/author of (?!mod_poolprobe\.so)/, 'and nobody else is to blame');
        }
    };
}
$_->close for grep { $_ } map { ($_->{conn}, @{ $_->{conns} // [] }) } values %case;
is($case{$_}{server}->stop, 0, "$_: stops in order") for grep { $case{$_}{server} } sort keys %case;
done_testing;
