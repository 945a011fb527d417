# The release archive: all that is tracked and nothing else, the same bytes wherever it is made, also from itself.
# Whether it builds and passes its units elsewhere, make deb tells: it makes its package of one.
use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use PST;
use Test::More;

my $stage = PST::stage();
plan skip_all => 'once is enough' unless $stage->{first};

my $top = "$stage->{top}/t/logs/dist";
remove_tree($top);
make_path("$top/elsewhere", { mode => 0755 });

sub dist {
    my ($source, $to, $env) = @_;
    chomp(my $archive = `cd '$source' && umask 022 && SOURCE_DATE_EPOCH= $env sh make/dist '$to' 2>$top/said`);
    is($? >> 8, 0, "$source has an archive") or diag(PST::Stage::read_file("$top/said"));
    return $archive;
}

my $archive = dist($stage->{source}, "$top/one", '');
my ($name, $version) = $archive =~ m{^\Q$top\E/one/((?:mod-poolstat-)(\d+\.\d+\.\d+))\.tar\.gz$} or BAIL_OUT("archive '$archive'");
like(scalar `$stage->{top}/poolstat --version`, qr/^poolstat \Q$version\E,/, 'of the version of the command');

my @listed = split /\n/, `tar -tvzf $archive --full-time --utc`;
is(scalar(grep !m{^-rw(?:-r--r--|xr-xr-x) 0/0 }, @listed), 0, 'files, of nobody, which everybody can read');
my %time = map { join(' ', (split)[ 3, 4 ]) => 1 } @listed;
is(scalar keys %time, 1, 'of one time');
my @files = map { (split ' ', $_, 6)[5] =~ s{^\Q$name\E/}{}r } @listed;
is("@files", join(' ', sort @files), 'sorted');
SKIP: {
    skip 'made from an archive itself', 2 unless -e "$stage->{source}/.git";
    my $commit = `TZ=UTC git -C '$stage->{source}' log -1 --date=format-local:'%Y-%m-%d %H:%M:%S' --format=%cd`;
    is(join("\n", keys %time) . "\n", $commit, 'that of the last commit');
    is("@files", join(' ', sort split /\n/, `git -C '$stage->{source}' ls-files`), 'all that is tracked');
}

is(system('tar', '-C', "$top/elsewhere", '-xzf', $archive), 0, 'it unpacks');
make_path("$top/elsewhere/$name/build");
PST::Stage::write_file("$top/elsewhere/$name/build/made", 'by make');
my $again = dist("$top/elsewhere/$name", "$top/two", 'TZ=Asia/Tokyo LC_ALL=C.UTF-8');
is(system('cmp', $archive, $again), 0, 'and makes itself again, to the byte');
PST::Stage::write_file("$top/elsewhere/$name/CHANGES", 'another');
utime 0, 0, "$top/elsewhere/$name/CHANGES";
my $other = dist("$top/elsewhere/$name", "$top/three", '');
isnt(system("cmp -s $archive $other"), 0, 'which another one does not');
done_testing;
