# The directives: good values pass, bad ones stop the check with one clear sentence.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('config');

my @good = ('', 'PoolStatEnv On', 'PoolStatEnv off', "<Location /x>\nPoolStatEnv On\n</Location>", "<VirtualHost *:*>\nPoolStatEnv On\n</VirtualHost>",
    'PoolStatInstrument On', 'PoolStatInstrument off', 'PoolStatInterval 1', 'PoolStatInterval 3600', 'PoolStatHistory 60', 'PoolStatHistory 86400', 'PoolStatHistory off', 'PoolStatConnections 1', 'PoolStatConnections 4096',
    'PoolStatWarn request 1', 'PoolStatWarn connection 10m', "PoolStatWarn Child 1024G\nPoolStatWarn child off",
    'PoolStatShow line', 'PoolStatShow Path', 'PoolStatShow none',
    'PoolStatCheck Off', 'PoolStatCheck guard 1/1', 'PoolStatCheck Guard 1/16777215 request Connection secondary all threads 1/1000 Buckets fence', 'PoolStatCheck fence guard 1/7',
    'PoolStatCheckExcept a', "PoolStatCheckExcept a b mod_x.so\nPoolStatCheckExcept c", 'PoolStatCheck threads 1/1', "PoolStatCheck buckets\nPoolStatCheck off",
    'PoolStatMaxChild 1G', 'PoolStatMaxChild 500m Reserved', 'PoolStatMaxChild 1024G pss', 'PoolStatMaxChild Off',
    'PoolStatProfile Off', 'PoolStatProfile off', 'PoolStatProfile 1', 'PoolStatProfile 64K', 'PoolStatProfile 1m', 'PoolStatProfile 1024G',
    'PoolStatFile other.board', "PoolStatFile $s->{dir}/run/abs.board", "PoolStatInstrument Off\nPoolStatConnections 9\nPoolStatFile x");
for my $conf (@good) {
    $s->write_conf(conf => "$conf\n");
    my ($status, $out) = $s->check;
    is($status, 0, "good: $conf" =~ s/\n/, /gr) or diag($out);
    like($out, qr/Syntax OK/, 'says so');
    ok(!-e $s->board, 'and a check makes no board');
}

# What is shipped, with every line taken out of its comment.
{
    open my $in, '<', PST::stage()->{top} . '/t/shipped/poolstat.conf' or die "the shipped configuration: $!\n";
    my $conf = join '', map { s/^    #(?! \S)/    /r } <$in>;
    my $named = () = $conf =~ /^ +PoolStat\w+ /mg;
    mkdir "$s->{dir}/logs";                 # of its CustomLog
    $s->write_conf(conf => $conf);
    my ($status, $out) = $s->check;
    cmp_ok($named, '>=', 11, 'the shipped configuration sets all directives when it is uncommented');
    is($status, 0, 'and passes the check then') or diag($out);
}

my @bad = (
    'PoolStatEnv', 'PoolStatEnv 1', 'PoolStatEnv On On', 'PoolStatEnv ""',
    'PoolStatInstrument', 'PoolStatInstrument Maybe', 'PoolStatInstrument On Off', 'PoolStatInstrument 1', 'PoolStatInstrument ""',
    'PoolStatConnections', 'PoolStatConnections 0', 'PoolStatConnections -5', 'PoolStatConnections many', 'PoolStatConnections 1k',
    'PoolStatConnections 1.5', 'PoolStatConnections 99999999999999999999', 'PoolStatConnections 4294967297', 'PoolStatConnections 10 20',
    'PoolStatConnections ""', 'PoolStatConnections " 5"',
    'PoolStatInterval', 'PoolStatInterval 0', 'PoolStatInterval 3601', 'PoolStatInterval 1s', 'PoolStatInterval -1', 'PoolStatInterval 0.5',
    'PoolStatHistory', 'PoolStatHistory 59', 'PoolStatHistory 86401', 'PoolStatHistory On', 'PoolStatHistory 600 600',
    'PoolStatProfile', 'PoolStatProfile On', 'PoolStatProfile 0', 'PoolStatProfile 0K', 'PoolStatProfile -1', 'PoolStatProfile 64KB',
    'PoolStatProfile 1.5M', 'PoolStatProfile ""', 'PoolStatProfile " 64K"', 'PoolStatProfile 1025G', 'PoolStatProfile 99999999999999999999',
    'PoolStatProfile 9223372036854775807G', 'PoolStatProfile 64K 1M',
    'PoolStatWarn', 'PoolStatWarn request', 'PoolStatWarn 10M', 'PoolStatWarn pool 10M', 'PoolStatWarn request 0', 'PoolStatWarn request 10MB',
    'PoolStatWarn request -1', 'PoolStatWarn request On', 'PoolStatWarn request 1025G', 'PoolStatWarn request 10M 20M',
    'PoolStatShow', 'PoolStatShow On', 'PoolStatShow query', 'PoolStatShow line path', 'PoolStatShow ""',
    'PoolStatCheckExcept', 'PoolStatCheckExcept ""', 'PoolStatCheck On', 'PoolStatCheck guard 1/0', 'PoolStatCheck guard 1000', 'PoolStatCheck guard 1/16777216', 'PoolStatCheck guard 1/99999999999999999999', 'PoolStatCheck guard 1/-1',
    'PoolStatCheck guard 1/1k', 'PoolStatCheck threads request', 'PoolStatCheck request', 'PoolStatCheck buckets off', 'PoolStatCheck fence', 'PoolStatCheck ""', 'PoolStatCheck guard', 'PoolStatCheck',
    'PoolStatMaxChild', 'PoolStatMaxChild 0', 'PoolStatMaxChild On', 'PoolStatMaxChild 1T', 'PoolStatMaxChild 1G rss', 'PoolStatMaxChild 1G pss now',
    'PoolStatFile', 'PoolStatFile ""', 'PoolStatFile a b', "PoolStatFile $s->{dir}/run/",
);
for my $conf (@bad) {
    $s->write_conf(conf => "$conf\n");
    my ($status, $out) = $s->check;
    my ($name) = $conf =~ /^(\S+)/;
    isnt($status, 0, "bad: $conf");
    $out =~ s/^AH00558.*\n//mg;
    my @said = grep !/^AH0\d+: Syntax error on line|^Action '-t' failed|^The Apache error log/, grep length, split /\n/, $out;
    is(scalar @said, 1, 'one sentence') or diag($out);
    like($said[0] // '', qr/^$name\b/, 'that names the directive');
    my ($value) = $conf =~ /^\S+ "?([^"]+?)"?$/;
    like($said[0], qr/'(?:\Q$value\E|@{[ join '|', map quotemeta, split ' ', $value ]})'/, 'and what it got') if defined $value && $said[0] !~ /takes (?:one|two|1-2|one or two) argument/;
}

for my $where ('<Location /x>', '<Directory />', '<VirtualHost *:*>') {
    my ($end) = $where =~ /^<(\w+)/;
    for my $directive ('PoolStatCheckExcept a', 'PoolStatCheck guard 1/1', 'PoolStatInstrument On', 'PoolStatConnections 5', 'PoolStatFile x', 'PoolStatInterval 5', 'PoolStatHistory 100', 'PoolStatProfile Off') {
        $s->write_conf(conf => "$where\n$directive\n</$end>\n");
        my ($status, $out) = $s->check;
        isnt($status, 0, "$directive does not belong into $where");
        my ($name) = split / /, $directive;
        like($out, qr/$name not allowed|$name cannot occur/, 'and is told so');
    }
}
done_testing;
